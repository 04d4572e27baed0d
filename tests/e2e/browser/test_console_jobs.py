"""The list of jobs in the console: submitting, filters, pages, cancelling and retrying."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.console_jobs import SEGMENT, is_operation, row
from tests.e2e.browser.console_page import console_in_new_window
from tests.e2e.browser.explorer_page import NO_WEBSOCKET
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Request, Route

    from tests.e2e.browser.console_jobs import Jobs
    from tests.e2e.browser.console_page import ConsolePage

# The computed value of the accent colour.
ACCENT = """(element) => {
  const probe = element.parentElement.appendChild(document.createElement("i"));
  probe.style.color = "var(--accent)";
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}"""


@pytest.fixture
def console(browser: Browser, jobs: Jobs, built: None) -> Iterator[ConsolePage]:  # noqa: ARG001 - needed for its effect
    with console_in_new_window(browser, jobs.url, locale="en-US") as console:
        yield console


def submit(console: ConsolePage, count: str, start: str = "2") -> None:
    fill(console, count, start)
    console.page.get_by_role("button", name="Generate").click()


def fill(console: ConsolePage, count: str, start: str = "2") -> None:
    console.page.get_by_label("How many").fill(count)
    console.page.get_by_label("From", exact=True).fill(start)


def submitted_id(console: ConsolePage) -> str:
    link = console.page.get_by_role("link", name="primes from")
    return (link.get_attribute("href") or "").removeprefix("?job=")


def test_list_without_jobs_says_what_to_do(console: ConsolePage) -> None:
    info = {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None}
    empty = {"totalCount": 0, "edges": [], "pageInfo": info}

    def without_jobs(route: Route) -> None:
        if is_operation(route, "Jobs"):
            route.fulfill(json={"data": {"open": empty, "jobs": empty}})
        else:
            route.fallback()

    console.page.route("**/graphql", without_jobs)
    console.open()
    expect(console.page.get_by_text("No jobs yet.")).to_be_visible()


def test_submitted_job_is_followed_to_its_end(console: ConsolePage, jobs: Jobs) -> None:
    submit(console.open(), "2e6", "1 000")
    expect(console.page.get_by_text("Submitted:")).to_contain_text("2,000,000 primes from 1,000")
    job_id = submitted_id(console)
    job = row(console, job_id)
    expect(job).to_contain_text("Queued")
    jobs.complete(job_id, 0)
    expect(job).to_contain_text("Running")
    expect(job).to_contain_text("52%")
    expect(job.get_by_role("progressbar")).to_be_visible()
    jobs.complete(job_id, 1)
    expect(job).to_contain_text("Succeeded")
    expect(job.get_by_role("button")).to_have_count(0)
    expect(console.page.locator("[aria-live=polite]")).to_have_text(f"Job {job_id[-8:]}: succeeded.")
    assert len(console.sockets) == 1


def test_double_click_submits_one_job(console: ConsolePage, jobs: Jobs) -> None:
    before = jobs.total()
    fill(console.open(), "11")
    console.page.get_by_role("button", name="Generate").dblclick()
    expect(console.page.get_by_text("Already submitted:")).to_be_visible()
    assert jobs.total() == before + 1
    first = submitted_id(console)
    submit(console, "12")
    expect(console.page.get_by_text("Submitted:", exact=False)).to_contain_text("12 primes")
    assert submitted_id(console) != first
    assert jobs.total() == before + 2


def test_same_numbers_can_be_submitted_again_later(console: ConsolePage, jobs: Jobs) -> None:
    page = console.open().page
    page.clock.install()
    submit(console, "13")
    expect(page.get_by_text("Submitted:")).to_be_visible()
    first = submitted_id(console)
    page.clock.run_for(2000)
    page.get_by_role("button", name="Generate").click()
    expect(page.locator(f'a[href="?job={first}"]').filter(has_text="primes from")).to_have_count(0)
    assert len({first, submitted_id(console)}) == 2
    jobs.cancel(first)


def test_invalid_number_is_described_at_its_field(console: ConsolePage) -> None:
    page = console.open().page
    expect(page.get_by_text("1 to 100,000,000")).to_be_visible()
    invalid = page.locator("input[aria-invalid=true]")
    submit(console, "0")
    expect(invalid).to_have_accessible_description("Must be 1 to 100,000,000.")
    expect(invalid).to_have_accessible_name("How many")
    # The pointer is on the button, which keeps its colour.
    colour = page.locator(".primary").first.evaluate(ACCENT)
    expect(page.get_by_role("button", name="Generate")).to_have_css("background-color", colour)
    submit(console, "many")
    expect(invalid).to_have_accessible_description("Enter a whole number, such as 1000 or 1e6.")
    # Each number is within its limit, but not both together: the server finds it.
    submit(console, "1e8", "9007199254740881")
    expect(invalid).to_have_accessible_description(re.compile("Start is 9007199254740881, must be 0 to"))
    expect(invalid).to_have_accessible_name("From")
    invalid.fill("10")
    expect(invalid).to_have_count(0)


def test_refused_submission_says_when_to_try_again(console: ConsolePage) -> None:
    refusals = {
        "QueueFull": "the queue is full: 9 of 9 jobs are open",
        "RateLimited": "more than 600 submissions per minute",
        "BackendUnavailable": "the job store is unavailable",
    }
    left = list(refusals)

    def refuse(route: Route) -> None:
        if is_operation(route, "Submit"):
            name = left.pop(0)
            answer = {"__typename": name, "message": refusals[name], "retryAfterMs": 60_000}
            route.fulfill(json={"data": {"generatePrimes": answer}})
        else:
            route.fallback()

    console.page.route("**/graphql", refuse)
    console.open()
    for message in refusals.values():
        submit(console, "10")
        expect(console.page.get_by_text(f"Not submitted: {message}.")).to_contain_text(
            re.compile(r"Try again in \d\d s")
        )


def test_lost_answer_does_not_submit_a_second_job(console: ConsolePage, jobs: Jobs) -> None:
    lost: list[str] = []

    def lose(route: Route) -> None:
        if not is_operation(route, "Submit") or lost:
            route.fallback()
            return
        lost.append(json.loads(route.request.post_data or "")["variables"]["input"]["idempotencyKey"])
        route.fetch()
        route.abort()

    console.page.route("**/graphql", lose)
    before = jobs.total()
    submit(console.open(), "14")
    expect(console.page.get_by_text("No answer from the server.")).to_be_visible()
    console.page.get_by_role("button", name="Generate").click()
    expect(console.page.get_by_text("Already submitted:")).to_be_visible()
    assert jobs.total() == before + 1
    # The browser's own report of the lost request.
    console.errors.clear()


def test_cancelled_job_says_what_is_kept_and_can_be_retried(console: ConsolePage, jobs: Jobs) -> None:
    job_id = jobs.submit(3 * SEGMENT)
    jobs.complete(job_id)
    console.open()
    before = jobs.total()
    # The second click is on the button that replaces the first one.
    row(console, job_id).get_by_role("button", name="Cancel").dblclick()
    notice = console.page.locator(".notice p")
    expect(notice).to_contain_text(f"Job {job_id[-8:]}: Cancelled; 1,048,576 primes are kept.")
    expect(notice).to_be_focused()
    expect(row(console, job_id)).to_contain_text("at 33%")
    assert jobs.total() == before
    row(console, job_id).get_by_role("button", name="Retry").click()
    expect(console.page.get_by_text("Submitted again as a new job")).to_contain_text("are not computed again")
    expect(row(console, job_id).get_by_role("button", name="Retry")).to_be_visible()
    console.page.locator(".notice a").click()
    expect(console.page.get_by_role("heading", level=1)).to_be_focused()


def test_job_that_ended_meanwhile_is_not_cancelled(console: ConsolePage, jobs: Jobs) -> None:
    job_id = jobs.submit(SEGMENT)

    def end_first(route: Route) -> None:
        if is_operation(route, "CancelJob"):
            jobs.complete(job_id)
        route.fallback()

    console.page.route("**/graphql", end_first)
    console.open()
    row(console, job_id).get_by_role("button", name="Cancel").click()
    expect(console.page.get_by_text("Not cancelled: it had ended before (succeeded).")).to_be_visible()


def test_filters_combine_and_are_in_the_address(console: ConsolePage, jobs: Jobs) -> None:
    failed, cancelled = jobs.submit(), jobs.submit()
    jobs.fail(failed)
    jobs.cancel(cancelled)
    page = console.open().page
    expect(row(console, failed)).to_contain_text("time limit exceeded")
    page.get_by_role("checkbox", name="Failed").check()
    expect(row(console, cancelled)).to_have_count(0)
    expect(row(console, failed)).to_be_visible()
    page.get_by_role("checkbox", name="Cancelled").check()
    expect(row(console, cancelled)).to_be_visible()
    page.get_by_label("Created").select_option("Last 10 minutes")
    expect(page).to_have_url(f"{jobs.url}/?status=FAILED%2CCANCELLED&period=10m")
    page.reload()
    expect(row(console, failed)).to_be_visible()
    page.goto(f"{jobs.url}/?status=FAILED&to=2001-01-01T00:00:00Z")
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()
    expect(page.get_by_label("to", exact=True)).to_have_value("2001-01-01T00:00")
    page.get_by_role("link", name="Clear filters").click()
    expect(row(console, failed)).to_be_visible()
    page.go_back()
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()


def test_pages_lead_to_older_jobs_and_back(console: ConsolePage, jobs: Jobs) -> None:
    made = [jobs.submit() for _ in range(52)]
    for job_id in made:
        jobs.cancel(job_id)
    page = console.open("?status=CANCELLED").page
    expect(row(console, made[-1])).to_be_visible()
    expect(row(console, made[0])).to_have_count(0)
    page.get_by_role("link", name="Older").click()
    expect(row(console, made[0])).to_be_visible()
    expect(row(console, made[-1])).to_have_count(0)
    page.reload()
    expect(row(console, made[0])).to_be_visible()
    page.get_by_role("link", name="Newer").click()
    expect(row(console, made[-1])).to_be_visible()
    page.get_by_role("link", name="Newest").click()
    expect(page).to_have_url(f"{jobs.url}/?status=CANCELLED")


def test_job_of_another_client_appears(console: ConsolePage, jobs: Jobs) -> None:
    console.open()
    job_id = jobs.submit()
    expect(row(console, job_id)).to_contain_text("Queued")
    jobs.cancel(job_id)
    expect(row(console, job_id)).to_contain_text("Cancelled")


def test_event_streams_leave_connections_for_queries(console: ConsolePage, jobs: Jobs) -> None:
    """Without WebSockets, each stream is a connection, and a browser opens at most six to a server."""
    ids = [jobs.submit() for _ in range(8)]
    page = console.page
    started: list[Request] = []
    ended: list[Request] = []
    page.on("request", lambda request: started.append(request) if is_stream(request) else None)
    for event in ("requestfinished", "requestfailed"):
        page.on(event, lambda request: ended.append(request) if is_stream(request) else None)

    def followed(requests: list[Request]) -> list[str]:
        # Events arrive during calls of the browser.
        page.title()
        bodies = [json.loads(request.post_data or "") for request in requests]
        return [body["variables"]["id"] for body in bodies if body["operationName"] == "FollowJob"]

    page.add_init_script(NO_WEBSOCKET)
    console.open()
    # One is of the state of the system.
    wait_until(lambda: len(followed(started)) == 3)
    assert followed(started) == ids[:-4:-1]
    # The list is read again.
    ids.append(jobs.submit())
    expect(row(console, ids[-1])).to_be_visible()
    assert (len(started), len(ended)) == (4, 0)
    # A stream that ends makes room for the next one.
    jobs.cancel(ids[6])
    wait_until(lambda: len(followed(started)) == 4)
    assert followed(started)[-1] == ids[4]
    # Those that still wait are not opened when their rows go.
    page.get_by_role("link", name="System", exact=True).first.click()
    wait_until(lambda: len(followed(ended)) == 4)
    expect(page.get_by_role("region", name="Queued")).to_be_visible()
    assert len(followed(started)) == 4
    for job_id in ids:
        jobs.cancel(job_id)
    # The browser's own report of the socket that did not open.
    console.errors.clear()


def is_stream(request: Request) -> bool:
    return request.headers.get("accept") == "text/event-stream"
