"""Pages of other origins in a real browser. Every name below `example` is resolved to this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.conftest import System

# Returns the status of a response that the page can read.
FETCH = """async ([url, options]) => {
  try { return (await fetch(url, options)).status; } catch (error) { return String(error); }
}"""
# Whether the WebSocket opens.
OPEN_WEBSOCKET = """(url) => new Promise((resolve) => {
  const socket = new WebSocket(url, "graphql-transport-ws");
  socket.onopen = () => resolve(true);
  socket.onerror = () => resolve(false);
})"""
QUERY = {"method": "POST", "body": '{"query": "{ __typename }"}', "headers": {"content-type": "application/json"}}
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
    """To the browser, the requests of the page are of its own origin."""
    origin = system.url.replace("127.0.0.1", name)
    # Any response makes it a page of this origin.
    page.goto(f"{origin}/livez")
    for path, options in REQUESTS.items():
        assert fetched(page, path, options) == (200 if is_allowed else 421), path
    assert page.evaluate(OPEN_WEBSOCKET, f"{origin.replace('http', 'ws', 1)}/graphql") is is_allowed
