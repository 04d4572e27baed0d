"""Pages of other origins in a real browser. Every name below `example` is resolved to this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from tests import programs
from tests.authenticated import bearer_header
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.conftest import System

# Returns the status of a response that the page can read.
FETCH = """async ([url, options]) => {
  try { return (await fetch(url, options)).status; } catch (error) { return String(error); }
}"""
# Reads a response with the headers that a page can see.
READ = """async ([url, options]) => {
  try {
    const response = await fetch(url, options);
    return {status: response.status, headers: Object.fromEntries(response.headers), text: await response.text()};
  } catch (error) { return String(error); }
}"""
# The events of a stream until it completes.
EVENTS = """(url) => new Promise((resolve) => {
  const source = new EventSource(url), events = [];
  source.addEventListener("next", (event) => events.push(JSON.parse(event.data)));
  source.addEventListener("complete", () => { source.close(); resolve(events); });
  source.onerror = () => { source.close(); resolve(null); };
})"""
# Whether the WebSocket opens.
OPEN_WEBSOCKET = """(url) => new Promise((resolve) => {
  const socket = new WebSocket(url, "graphql-transport-ws");
  socket.onopen = () => resolve(true);
  socket.onerror = () => resolve(false);
})"""
QUERY: dict[str, Any] = {
    "method": "POST",
    "body": '{"query": "{ __typename }"}',
    "headers": {"content-type": "application/json"},
}
ALLOWED, FOREIGN = "http://allowed.example", "http://foreign.example"
REQUESTS: dict[str, dict[str, Any]] = {
    "/graphql": QUERY,
    "/generate?n=10": {"method": "POST"},
    "/": {},
    "/readyz": {},
    "/openapi.json": {},
}


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    # The policies of our own pages forbid requests, those of others need not.
    context = browser.new_context(bypass_csp=True)
    yield context.new_page()
    context.close()


def fetched(page: Page, url: str, options: dict[str, Any] | None = None) -> int | str:
    status: int | str = page.evaluate(FETCH, [url, options or {}])
    return status


@pytest.mark.parametrize(("name", "is_allowed"), [("evil.example", False), ("localhost", True), ("127.0.0.1", True)])
def test_page_with_a_rebound_name_reaches_nothing(page: Page, system: System, name: str, is_allowed: bool) -> None:
    """To the browser, the requests of the page have the page's origin."""
    origin = system.url.replace("127.0.0.1", name)
    # Any response makes it a page of this origin.
    page.goto(f"{origin}/livez")
    for path, options in REQUESTS.items():
        assert fetched(page, path, options) == (200 if is_allowed else 421), path
    assert page.evaluate(OPEN_WEBSOCKET, f"{origin.replace('http', 'ws', 1)}/graphql") is is_allowed


@pytest.fixture(scope="module")
def pages() -> Iterator[int]:
    """The port of a server with a blank page for every name."""

    class BlankPage(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>A page</title>")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), BlankPage)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture(scope="module")
def shared_api(system: System, pages: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An API with an allowed origin, without authentication."""
    options: dict[str, Any] = {"RESULTS_URL": system.results_url, "ALLOWED_ORIGINS": f"{ALLOWED}:{pages}"}
    with programs.api(tmp_path_factory.mktemp("open"), system.valkey.url, system.prefix, **options) as (url, _):
        yield url


def test_page_of_an_allowed_origin_uses_everything(page: Page, shared_api: str, pages: int) -> None:
    page.goto(f"{ALLOWED}:{pages}/")
    for path, options in REQUESTS.items():
        assert fetched(page, f"{shared_api}{path}", options) == 200, path
    job = page.evaluate(
        READ, [f"{shared_api}/generate?n=1000", {"method": "POST", "headers": {"idempotency-key": "a"}}]
    )
    location = f"{shared_api}{job['headers']['location']}"
    status = page.evaluate(READ, [location, {"headers": {"prefer": "wait=30"}}])
    assert json.loads(status["text"])["status"] == "complete"
    assert (
        fetched(page, location, {"headers": {"if-none-match": status["headers"]["etag"]}, "cache": "no-store"}) == 304
    )
    job_id = json.loads(job["text"])["request_id"]
    part = page.evaluate(READ, [f"{shared_api}/jobs/{job_id}/primes.csv", {"headers": {"range": "bytes=0-9"}}])
    assert (part["status"], part["headers"]["content-range"][:11]) == (206, "bytes 0-9/4")
    assert fetched(page, f"{shared_api}/status/unknown") == 404
    assert fetched(page, f"{shared_api.replace('127.0.0.1', 'other.example')}/graphql", QUERY) == 421
    document = f'subscription {{ jobUpdates(id: "{job_id}") {{ __typename }} }}'
    assert page.evaluate(EVENTS, f"{shared_api}/graphql?query={quote(document)}")
    assert page.evaluate(OPEN_WEBSOCKET, f"{shared_api.replace('http', 'ws', 1)}/graphql")


def test_page_of_another_origin_reads_nothing(page: Page, shared_api: str, pages: int) -> None:
    page.goto(f"{FOREIGN}:{pages}/")
    document = quote('subscription { jobUpdates(id: "x") { __typename } }')
    assert page.evaluate(EVENTS, f"{shared_api}/graphql?query={document}") is None
    for path, options in REQUESTS.items():
        assert fetched(page, f"{shared_api}{path}", options) == "TypeError: Failed to fetch", path
    assert (
        page.evaluate(
            EVENTS, f"{shared_api}/graphql?query={quote('subscription { jobUpdates(id: 1) { __typename } }')}"
        )
        is None
    )
    assert not page.evaluate(OPEN_WEBSOCKET, f"{shared_api.replace('http', 'ws', 1)}/graphql")


@pytest.fixture
def api_with_keys(system: System, pages: int, tmp_path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """An API with an allowed origin, and the header of a caller."""
    environment = {"REDIS_URL": system.valkey.url, "KEY_PREFIX": system.prefix}
    # In a process, since this one has an event loop for the browser.
    command = [sys.executable, "-m", "gql.keys", "create", "page"]
    created = subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    options: dict[str, Any] = {"AUTHENTICATION": "keys", "ALLOWED_ORIGINS": f"{ALLOWED}:{pages}"}
    with programs.api(tmp_path, system.valkey.url, system.prefix, **options) as (url, _):
        yield url, bearer_header(created.stdout.strip())


def test_page_of_an_allowed_origin_uses_its_key(
    page: Page, api_with_keys: tuple[str, dict[str, str]], pages: int
) -> None:
    url, key = api_with_keys
    query = {**QUERY, "headers": {**QUERY["headers"], **key}}
    page.goto(f"{ALLOWED}:{pages}/")
    assert fetched(page, f"{url}/graphql", query) == 200
    assert fetched(page, f"{url}/graphql", QUERY) == 401
    refused = page.evaluate(READ, [f"{url}/status/x", {"headers": {"authorization": "Bearer wrong"}}])
    assert (refused["status"], "invalid_token" in refused["headers"]["www-authenticate"]) == (401, True)
    page.goto(f"{FOREIGN}:{pages}/")
    for options in (query, QUERY):
        assert fetched(page, f"{url}/graphql", options) == "TypeError: Failed to fetch"
