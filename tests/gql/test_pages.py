"""The front page, Swagger UI, and HEAD requests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import in_process

if TYPE_CHECKING:
    from tests.conftest import System
    from tests.programs import Valkey

REFERENCES = re.compile(r"""(?:href|src)=["']([^"']+)["']""")


def test_the_front_page_has_links_and_example_requests(system: System) -> None:
    page = httpx.get(f"{system.url}/").text
    links = REFERENCES.findall(page)
    assert {"graphql", "docs", "readyz"} <= set(links)
    assert {"http://localhost:3000", "http://localhost:8428", "http://localhost:8089"} <= set(links)
    assert "generatePrimes(input: {count: 10}" in page
    assert f"curl -X POST '{system.url}/generate?n=10'" in page


def test_the_front_page_links_to_the_configured_services(valkey: Valkey, prefix: str) -> None:
    with in_process.api(valkey.url, prefix, GRAFANA_URL="http://g/?a=1&b=2") as url:
        assert 'href="http://g/?a=1&amp;b=2"' in httpx.get(url).text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_only_from_this_origin(system: System, path: str) -> None:
    page = httpx.get(f"{system.url}{path}").text
    loaded = re.findall(r"""<(?:script|link|img)[^>]*(?:href|src)=["']([^"']+)["']""", page)
    assert loaded
    for reference in loaded:
        response = httpx.get(httpx.URL(f"{system.url}{path}").join(reference))
        assert str(response.url).startswith(system.url)
        assert response.is_success, reference


@pytest.mark.parametrize("path", ["/", "/docs", "/livez", "/readyz", "/status/{id}", "/status/none"])
def test_head_returns_the_headers_of_get(system: System, path: str) -> None:
    job_id = httpx.post(f"{system.url}/generate?n=10").json()["request_id"]
    url = f"{system.url}{path.replace('{id}', job_id)}"
    httpx.get(url, headers={"Prefer": "wait=20"})
    get, head = httpx.get(url), httpx.head(url)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    # Some figures of /readyz change between the requests.
    assert abs(int(head.headers["content-length"]) - len(get.content)) < 10
