"""A browser's EventSource, directly and behind nginx: events arrive at once, and the end of a stream is its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
import pytest

from tests import programs
from tests.clients import data, finished_job
from tests.e2e.nginx import nginx

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.conftest import System

SUBSCRIPTION = 'subscription {{ jobUpdates(id: "{id}") {{ ... on JobUpdate {{ job {{ status }} }} }} }}'
# As in old configurations of nginx: what it receives is kept until a buffer is full.
BUFFERING = "location / {{ proxy_pass {api}; proxy_buffering on; proxy_buffers 8 64k; gzip on; gzip_types *; }}"

# Never closed here, as in the simplest programs: what counts is what it does by itself.
OPEN = """(url) => {
  window.events = []; window.opened = 0;
  window.source = new EventSource(url);
  source.onopen = () => { opened += 1; };
  for (const name of ["next", "complete"]) source.addEventListener(name, () => events.push(name));
}"""


@pytest.fixture(scope="module", params=["direct", "nginx"])
def origin(system: System, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the API."""
    if request.param == "direct":
        yield system.url
        return
    with nginx(tmp_path_factory.mktemp("nginx"), BUFFERING.format(api=system.url)) as address:
        yield address


@pytest.fixture
def page(browser: Browser, origin: str) -> Iterator[Page]:
    context = browser.new_context(bypass_csp=True)
    context.set_default_timeout(15_000)
    page = context.new_page()
    # Any response makes it a page of this origin.
    page.goto(f"{origin}/livez")
    yield page
    context.close()


def test_event_source_stops_after_the_end(page: Page, system: System) -> None:
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status))
    page.evaluate(OPEN, f"/graphql?query={quote(SUBSCRIPTION.format(id=finished_job(system, 10)))}")
    # It connects again by itself, 3 s later.
    page.wait_for_function("source.readyState === EventSource.CLOSED")
    assert statuses == [200, 204]
    assert page.evaluate("[opened, events]") == [1, ["next", "complete"]]


def test_event_source_receives_each_event_at_once(page: Page, system: System) -> None:
    with programs.paused(system.worker):
        mutation = "mutation { generatePrimes(input: {count: 10}) { ... on GeneratePrimesAccepted { job { id } } } }"
        job_id = data(system, mutation)["generatePrimes"]["job"]["id"]
        page.evaluate(OPEN, f"/graphql?query={quote(SUBSCRIPTION.format(id=job_id))}")
        page.wait_for_function("events.length === 1")
    page.wait_for_function("events.at(-1) === 'complete'")


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
def test_stream_is_not_buffered(origin: str, accept: str) -> None:
    query = "subscription { systemStats(intervalMs: 60000) { at } }"
    request: dict[str, Any] = {"json": {"query": query}, "headers": {"Accept": accept}, "timeout": 10}
    with httpx.stream("POST", f"{origin}/graphql", **request) as response:
        assert any('"systemStats"' in text for text in response.iter_text())
