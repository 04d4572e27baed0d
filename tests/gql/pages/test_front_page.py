"""The console, the page that replaces it, Swagger UI, and HEAD requests."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from fastapi import FastAPI

from gql.pages import front_page
from gql.settings import ApiSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.conftest import System

REFERENCES = re.compile(r"""(?:href|src)=["']([^"']+)["']""")
CONSOLE = '<!doctype html><html><head><script type="module" src="./explorer/console-abc.js"></script></head></html>'


@asynccontextmanager
async def client(dist: Path, root_path: str = "", **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    front_page.add_routes(app, ApiSettings(**settings), dist)
    transport = httpx.ASGITransport(app=app, root_path=root_path)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    """Built pages."""
    (tmp_path / "console.html").write_text(CONSOLE)
    (tmp_path / "index.html").write_text("GraphiQL")
    return tmp_path


async def test_front_page_is_the_console(dist: Path) -> None:
    async with client(dist) as http:
        answer = await http.get("/?view=system")
    assert answer.text == CONSOLE
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


async def test_console_is_served_in_production(dist: Path) -> None:
    async with client(dist, production=True) as http:
        assert (await http.get("/")).text == CONSOLE


async def test_console_that_was_not_built_is_replaced_by_links_and_what_to_do(tmp_path: Path) -> None:
    async with client(tmp_path, grafana_url="http://g/?a=1&b=2") as http:
        page = (await http.get("/")).text
    assert "make explorer" in page
    assert {"graphql", "docs", "readyz"} <= set(REFERENCES.findall(page))
    assert {"http://localhost:8428", "http://localhost:16686", "http://localhost:8089"} <= set(REFERENCES.findall(page))
    assert 'href="http://g/?a=1&amp;b=2"' in page
    assert "generatePrimes(input: {count: 10}" in page
    assert "curl -X POST 'http://test/generate?n=10'" in page


async def test_console_built_while_the_server_runs_is_served(tmp_path: Path) -> None:
    async with client(tmp_path) as http:
        before = await http.get("/")
        (tmp_path / "console.html").write_text(CONSOLE)
        after = await http.get("/")
    assert (before.text == CONSOLE, after.text == CONSOLE) == (False, True)
    # The replacement is not kept by caches either.
    assert before.headers["cache-control"] == "no-cache"


async def test_console_is_not_served_where_its_operations_are_refused(dist: Path) -> None:
    async with client(dist, trusted_documents_only=True) as http:
        page = (await http.get("/")).text
    assert "TRUSTED_DOCUMENTS_ONLY refuses" in page
    assert "make explorer" not in page


@pytest.mark.parametrize("is_built", [True, False])
async def test_policy_allows_this_origin_only(dist: Path, tmp_path: Path, is_built: bool) -> None:
    async with client(dist if is_built else tmp_path / "none") as http:
        policy = (await http.get("/")).headers["content-security-policy"]
    sources = {source for directive in policy.split("; ") for source in directive.split()[1:]}
    assert sources == {"'self'", "'none'"}
    assert policy.startswith("default-src 'none'; script-src 'self'; ")
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize("is_built", [True, False])
async def test_page_under_a_prefix_has_its_base(dist: Path, tmp_path: Path, is_built: bool) -> None:
    """A prefix may be configured with characters that HTML must not have."""
    folder = dist if is_built else tmp_path / "none"
    async with client(folder, "/a&b") as http:
        assert '<head><base href="/a&amp;b/">' in (await http.get("/a&b/")).text
    async with client(folder) as http:
        assert "<base" not in (await http.get("/")).text


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_only_from_this_origin(system: System, path: str) -> None:
    page = httpx.get(f"{system.url}{path}").text
    loaded = re.findall(r"""<(?:script|link|img)[^>]*(?:href|src)=["']([^"']+)["']""", page)
    assert loaded
    for reference in loaded:
        response = httpx.get(httpx.URL(f"{system.url}{path}").join(reference))
        assert str(response.url).startswith(system.url)
        assert response.is_success, reference


@pytest.mark.parametrize("path", ["/", "/docs", "/links", "/livez", "/readyz", "/status/{id}", "/status/none"])
def test_head_returns_the_headers_of_get(system: System, path: str) -> None:
    job_id = httpx.post(f"{system.url}/generate?n=10").json()["request_id"]
    url = f"{system.url}{path.replace('{id}', job_id)}"
    httpx.get(url, headers={"Prefer": "wait=20"})
    get, head = httpx.get(url), httpx.head(url)
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    # Some figures of /readyz change between the requests.
    assert abs(int(head.headers["content-length"]) - len(get.content)) < 10
