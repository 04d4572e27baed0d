"""The console's page of a job in states that a test cannot wait for: 10^9 primes, failures, expired results.

The test responds in place of the API.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.console_page import console_in_new_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route, WebSocketRoute

    from tests.conftest import System
    from tests.e2e.browser.console_page import ConsolePage

COUNT = 10**9
RESULT = {
    "state": "COMPLETE",
    "available": COUNT,
    "first": 1,
    "last": 2 * COUNT - 1,
    "expiresAt": "2030-01-01T00:00:00.000Z",
    "sha256": "00" * 32,
    "downloads": [],
}
JOB: dict[str, Any] = {
    "id": "any",
    "status": "SUCCEEDED",
    "isFinal": True,
    "version": 4,
    "count": COUNT,
    "start": 2,
    "progress": {"done": COUNT, "total": COUNT, "ratio": 1, "etaMs": None},
    "queuePosition": None,
    "createdAt": "2029-01-01T00:00:00.000Z",
    "startedAt": "2029-01-01T00:00:01.000Z",
    "finishedAt": "2029-01-01T00:01:00.000Z",
    "queuedMs": 1000,
    "runMs": 59_000,
    "attempt": 1,
    "maxAttempts": 4,
    "failure": None,
    "traceId": "ab" * 16,
    "idempotencyKey": "a key",
    "retryOf": None,
    "result": RESULT,
}


@pytest.fixture
def console(browser: Browser, system: System, built: None) -> Iterator[ConsolePage]:  # noqa: ARG001 - needed for its effect
    with console_in_new_window(browser, system.url, permissions=["local-network-access"]) as console:
        yield console


def open_job(console: ConsolePage, job: dict[str, Any], query: str = "") -> Page:
    """The page of this job. The value at each index is the odd number with this index."""

    def subscribe(socket: WebSocketRoute, text: str | bytes) -> None:
        message = json.loads(text)
        if message["type"] == "connection_init":
            socket.send(json.dumps({"type": "connection_ack"}))
        elif message["type"] == "subscribe":
            event = {"jobUpdates": {"__typename": "JobUpdate", "job": job}}
            socket.send(json.dumps({"type": "next", "id": message["id"], "payload": {"data": event}}))
            socket.send(json.dumps({"type": "complete", "id": message["id"]}))

    def respond(route: Route) -> None:
        variables = json.loads(route.request.post_data or "")["variables"]
        result: dict[str, Any] = {"state": job["result"]["state"]}
        if "value" in variables:
            result = {"indexOf": variables["value"] // 2}
        elif "offset" in variables:
            first = variables["offset"]
            stop = min(first + variables["first"], job["result"]["available"])
            result["primes"] = {"values": [2 * index + 1 for index in range(first, stop)]}
        else:
            result = {"first": 1, "last": 2 * variables["last"] + 1}
        route.fulfill(json={"data": {"job": {"result": result}}}, content_type="application/graphql-response+json")

    page = console.page
    page.route_web_socket("**/graphql", lambda socket: socket.on_message(lambda text: subscribe(socket, text)))
    page.route("**/graphql", respond)
    return console.open(f"?job=any{query}").page


def row(page: Page, index: int) -> None:
    expect(page.get_by_role("row", name=f"{index:,} {2 * index + 1:,}", exact=True)).to_be_in_viewport()


def first_visible(page: Page) -> int:
    """The index of the first row below the header."""
    return int(
        page.evaluate(
            """() => {
              const grid = document.querySelector(".grid").getBoundingClientRect();
              const rows = [...document.querySelectorAll(".grid-rows [role=row]")];
              const visible = rows.find((row) => row.getBoundingClientRect().bottom > grid.top + 29);
              return Number(visible.getAttribute("aria-rowindex")) - 2;
            }"""
        )
    )


def test_every_index_of_a_billion_is_reached(console: ConsolePage) -> None:
    page = open_job(console, JOB, "&index=999999999")
    row(page, COUNT - 1)
    for index in (0, 35_000, 40_000, 123_456_789, 500_000_000, COUNT - 40_000, COUNT - 1):
        page.get_by_label("Number").fill(str(index))
        page.get_by_role("button", name="Go", exact=True).click()
        row(page, index)
    page.get_by_label("Go to index or value").select_option("value")
    page.get_by_label("Number").fill("1_500_000_001")
    page.get_by_role("button", name="Go", exact=True).click()
    row(page, 750_000_000)


def test_wheel_moves_by_rows(console: ConsolePage) -> None:
    page = open_job(console, JOB, "&index=123456789")
    row(page, 123_456_789)
    page.locator(".grid").hover()
    # Farther than a finger moves between two frames, which a dragged scrollbar does.
    page.mouse.wheel(0, 28 * 200)
    row(page, 123_456_989)
    # The position settles without moving the rows.
    expect(page).to_have_url(re.compile("index=123456989$"))
    assert first_visible(page) == 123_456_989


def test_scrollbar_moves_through_the_whole_list(console: ConsolePage) -> None:
    page = open_job(console, JOB)
    row(page, 0)
    page.evaluate("document.querySelector('.grid').scrollTop = document.querySelector('.grid').scrollHeight / 2")
    expect(page).to_have_url(re.compile(r"index=(49|50)\d{7}$"))
    page.evaluate("document.querySelector('.grid').scrollTop = 1e9")
    row(page, COUNT - 1)
    page.evaluate("document.querySelector('.grid').scrollTop = 0")
    row(page, 0)


def test_trace_is_linked_if_its_service_responds(console: ConsolePage) -> None:
    links = [{"name": "Jaeger", "url": "http://jaeger.example", "isReachable": True}]
    console.page.route("**/links", lambda route: route.fulfill(json={"links": links}))
    page = open_job(console, JOB)
    expect(page.get_by_role("link", name="Open trace")).to_have_attribute(
        "href", f"http://jaeger.example/trace/{JOB['traceId']}"
    )


def test_failure_is_described_with_what_to_do(console: ConsolePage) -> None:
    failure = {"reason": "WORKER_LOST", "message": "Workers died in each of 4 attempts.", "retryable": True}
    result = RESULT | {"state": "PARTIAL", "available": 5, "first": None, "last": None, "sha256": None}
    job = JOB | {"status": "FAILED", "attempt": 4, "failure": failure, "result": result}
    page = open_job(console, job)
    notice = page.get_by_role("region", name="Failure")
    expect(notice).to_contain_text("Failed: Workers died in each of 4 attempts.")
    expect(notice).to_contain_text("Check that workers are running")
    expect(notice).to_contain_text("The first 5 primes can still be read.")
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="Attempt 4 of 4")).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text=re.compile("^9$"))).to_be_visible()
    row(page, 4)


def test_expired_result_can_be_submitted_again(console: ConsolePage) -> None:
    page = open_job(console, JOB | {"result": RESULT | {"state": "EXPIRED", "available": 0}})
    expect(page.get_by_role("region", name="Result")).to_contain_text("The primes of this job have expired.")
    link = page.get_by_role("link", name="Submit it again")
    expect(link).to_have_attribute("href", "?count=1000000000&start=2")
