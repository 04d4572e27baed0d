"""The front page, the REST manual and the probes: whole, and from this origin alone."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import programs
from tests.programs import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System

REFERENCES = re.compile(r"""(?:href|src)=["']([^"']+)["']""")


def test_the_front_page_links_to_everything_and_shows_a_mutation(system: System) -> None:
    page = httpx.get(f"{system.url}/").text
    links = REFERENCES.findall(page)
    assert {"graphql", "docs", "readyz"} <= set(links)
    assert {"http://localhost:3000", "http://localhost:8428", "http://localhost:8089"} <= set(links)
    assert "generatePrimes(input: {count: 10}" in page
    assert f"curl -X POST '{system.url}/generate?n=10'" in page


def test_the_links_of_the_front_page_are_settings(system: System, tmp_path: Path) -> None:
    with programs.api(tmp_path, system.valkey.url, system.prefix, GRAFANA_URL="http://g/?a=1&b=2") as (url, _):
        assert 'href="http://g/?a=1&amp;b=2"' in httpx.get(url).text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_what_a_page_loads_comes_from_here(system: System, path: str) -> None:
    page = httpx.get(f"{system.url}{path}").text
    loaded = re.findall(r"""<(?:script|link|img)[^>]*(?:href|src)=["']([^"']+)["']""", page)
    assert loaded
    for reference in loaded:
        answer = httpx.get(httpx.URL(f"{system.url}{path}").join(reference))
        assert str(answer.url).startswith(system.url)
        assert answer.is_success, reference


def test_a_system_that_works_is_ready(system: System) -> None:
    answer = httpx.get(f"{system.url}/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "checks": {"broker": {"ok": True}, "workers": {"ok": True, "count": 1}, "results": {"ok": True}},
    }
    assert httpx.get(f"{system.url}/livez").json() == {"status": "alive"}


def test_without_a_worker_requests_are_taken_but_it_is_said(system: System, tmp_path: Path) -> None:
    with programs.api(tmp_path, system.valkey.url, "nobody-works-here:") as (url, _):
        answer = httpx.get(f"{url}/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["workers"]["ok"] is False
    assert "celery -A tasks worker" in answer.json()["checks"]["workers"]["reason"]


def test_a_result_store_that_can_not_be_written_is_told(system: System, tmp_path: Path) -> None:
    """Small jobs are finished all the same, so that requests go on."""
    results = {"RESULTS_URL": (tmp_path / "results").as_uri()}
    with programs.api(tmp_path, system.valkey.url, "x:", None, **results) as (url, _):
        shutil.rmtree(tmp_path / "results")
        (tmp_path / "results").write_text("not a folder", encoding="utf-8")
        answer = httpx.get(f"{url}/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["results"]["ok"] is False
    assert "result store" in answer.json()["checks"]["results"]["reason"]


def test_without_a_store_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    with programs.api(tmp_path, f"redis://127.0.0.1:{free_port()}/0", "x:") as (url, _):
        answer = httpx.get(f"{url}/readyz")
        assert httpx.get(f"{url}/livez").is_success
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == {"ok": False, "reason": "the job store does not answer"}
