"""The front page, the REST manual and the probes: whole, and from this origin alone."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, cast

import httpx
import pytest
import redis

from tests import programs
from tests.programs import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey

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
    checks = answer.json()["checks"]
    memory = checks.pop("memory")
    assert (memory["ok"], memory["usedBytes"] > 0, memory["maxBytes"]) == (True, True, None)
    assert checks.pop("queue")["ok"] is True
    assert (answer.json()["status"], checks) == (
        "ready",
        {
            "broker": {"ok": True},
            "persistence": {"ok": True},
            "workers": {"ok": True, "count": 1},
            "results": {"ok": True},
        },
    )
    assert httpx.get(f"{system.url}/livez").json() == {"status": "alive"}


@pytest.mark.parametrize("path", ["/", "/docs", "/livez", "/readyz", "/status/{id}", "/status/none"])
def test_head_tells_what_get_would_and_sends_none_of_it(system: System, path: str) -> None:
    job_id = httpx.post(f"{system.url}/generate?n=10").json()["request_id"]
    url = f"{system.url}{path.replace('{id}', job_id)}"
    httpx.get(url, headers={"Prefer": "wait=20"})
    get, head = httpx.get(url), httpx.head(url)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    # As long, but for the figures of the moment.
    assert abs(int(head.headers["content-length"]) - len(get.content)) < 10


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


@pytest.mark.parametrize(
    ("options", "check", "ok", "said"),
    [
        ({"appendonly": "no"}, "persistence", True, "its restart would lose all jobs"),
        ({"maxmemory": "900mb", "maxmemory-policy": "allkeys-lru"}, "memory", False, "set noeviction"),
    ],
)
def test_a_store_that_may_lose_jobs_or_refuse_them_is_told(
    tmp_path: Path, options: dict[str, str], check: str, ok: bool, said: str
) -> None:
    with (
        programs.valkey(tmp_path, None, None, **options) as server,
        programs.api(tmp_path, server.url, "x:") as (url, _),
    ):
        answer = httpx.get(f"{url}/readyz")
    assert answer.status_code == 200
    found = answer.json()["checks"][check]
    assert found["ok"] is ok
    assert said in found["warning" if ok else "reason"]


def test_a_store_with_little_memory_left_is_told(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server, programs.api(tmp_path, server.url, "x:") as (url, _):
        with redis.Redis.from_url(server.url) as client:
            used = int(client.info("memory")["used_memory"])
            client.config_set("maxmemory", used + used // 20)
        found = httpx.get(f"{url}/readyz").json()["checks"]["memory"]
    assert found["ok"] is False
    assert "nearly full" in found["reason"]
    assert 0.9 * found["maxBytes"] < found["usedBytes"]


def test_work_that_waits_long_is_told(valkey: Valkey, redis_client: redis.Redis, prefix: str, tmp_path: Path) -> None:
    with programs.api(tmp_path, valkey.url, prefix) as (url, _):
        httpx.post(f"{url}/generate?n=10").raise_for_status()
        soon = httpx.get(f"{url}/readyz").json()["checks"]["queue"]
        sent = f"{prefix}sent:small"
        [member] = cast("list[bytes]", redis_client.zrange(sent, 0, 0))
        redis_client.zincrby(sent, -61_000, member)
        late = httpx.get(f"{url}/readyz").json()["checks"]["queue"]
    assert (soon["ok"], late["ok"]) == (True, False)
    assert 61 <= late["oldestDueSeconds"] < 100
    assert f"has been due for {late['oldestDueSeconds']} s" in late["reason"]


def test_without_a_store_it_is_alive_but_not_ready(tmp_path: Path) -> None:
    with programs.api(tmp_path, f"redis://127.0.0.1:{free_port()}/0", "x:") as (url, _):
        answer = httpx.get(f"{url}/readyz")
        assert httpx.get(f"{url}/livez").is_success
    assert answer.status_code == 503
    assert answer.json()["checks"]["broker"] == {"ok": False, "reason": "the job store is unavailable"}
