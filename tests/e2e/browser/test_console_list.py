"""The list of jobs in the console shows what its filters name at every moment, and no row moves under the pointer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.e2e.browser.console_jobs import SEGMENT, is_operation, row
from tests.e2e.browser.console_page import console_in_new_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator

    from tests.e2e.browser.console_jobs import Jobs
    from tests.e2e.browser.console_page import ConsolePage


@pytest.fixture
def console(browser: Browser, jobs: Jobs, built: None) -> Iterator[ConsolePage]:  # noqa: ARG001 - needed for its effect
    with console_in_new_window(browser, jobs.url, locale="en-US") as console:
        yield console


def keep_answer(console: ConsolePage) -> None:
    """The list is not read again: requests for it stay without an answer."""
    console.page.route("**/graphql", lambda route: None if is_operation(route, "Jobs") else route.fallback())


@pytest.mark.parametrize(("status", "change"), [("QUEUED", "start"), ("RUNNING", "end"), ("QUEUED,RUNNING", "cancel")])
def test_job_leaves_the_list_as_soon_as_its_status_does_not_match(
    console: ConsolePage, jobs: Jobs, status: str, change: str
) -> None:
    changing, other = (jobs.submit(2 * SEGMENT) for _ in range(2))
    if status == "RUNNING":
        jobs.complete(changing, 0)
        jobs.complete(other, 0)
    console.open(f"?status={status}")
    expect(row(console, changing)).to_be_visible()
    keep_answer(console)
    if change == "cancel":
        jobs.cancel(changing)
    else:
        jobs.complete(changing, 0 if change == "start" else 1)
    expect(row(console, changing)).to_have_count(0)
    expect(row(console, other)).to_be_visible()
    jobs.cancel(other)


def test_ended_job_moves_to_the_ended_ones_at_once(console: ConsolePage, jobs: Jobs) -> None:
    older, ending, other = (jobs.submit() for _ in range(3))
    jobs.cancel(older)
    console.open()
    expect(row(console, ending)).to_be_visible()
    keep_answer(console)
    groups = console.page.locator("tbody")
    before = [heading_total(group) for group in groups.all()]
    jobs.complete(ending)
    ended = groups.filter(has_text="Ended · ")
    expect(ended.get_by_role("link", name=f"Job {ending[-8:]}")).to_be_visible()
    assert ended.get_by_role("link").all_inner_texts()[:2] == [ending[-8:], older[-8:]]
    assert [heading_total(group) for group in groups.all()] == [before[0] - 1, before[1] + 1]
    jobs.cancel(other)


def heading_total(group: Locator) -> int:
    return int(group.locator(".group th").inner_text().partition("· ")[2])


def test_rows_stay_while_the_pointer_moves_over_them(console: ConsolePage, jobs: Jobs) -> None:
    ended, ending, other = (jobs.submit() for _ in range(3))
    jobs.cancel(ended)
    page = console.page
    page.clock.install()
    console.open()
    open_jobs = page.locator("tbody").filter(has_text="Open · ")
    place = open_jobs.get_by_role("row").filter(has=page.locator(f'a[href="?job={ending}"]'))
    expect(place).to_be_visible()
    page.clock.pause_at(time.time() + 60)
    place.hover()
    jobs.complete(ending)
    expect(place).to_contain_text("Succeeded")
    page.clock.run_for(900)
    expect(place).to_be_visible()
    page.clock.run_for(200)
    expect(place).to_have_count(0)
    expect(row(console, ending)).to_be_visible()
    jobs.cancel(other)


def test_job_leaves_the_list_with_the_time(console: ConsolePage, jobs: Jobs) -> None:
    job_id = jobs.submit()
    console.page.clock.install()
    console.open("?period=10m")
    expect(row(console, job_id)).to_be_visible()
    keep_answer(console)
    console.page.clock.fast_forward("12:00")
    expect(row(console, job_id)).to_have_count(0)
    jobs.cancel(job_id)


def test_other_filters_show_no_job_of_the_former_ones(console: ConsolePage, jobs: Jobs) -> None:
    job_id = jobs.submit()
    page = console.open().page
    expect(row(console, job_id)).to_be_visible()
    keep_answer(console)
    page.get_by_role("checkbox", name="Failed").check()
    expect(row(console, job_id)).to_have_count(0)
    jobs.cancel(job_id)


def test_list_without_an_answer_is_not_said_to_be_empty(console: ConsolePage) -> None:
    page = console.open("?to=2001-01-01T00:00:00Z").page
    expect(page.get_by_text("No job matches these filters.")).to_be_visible()
    keep_answer(console)
    page.get_by_role("link", name="Clear filters").click()
    expect(page.get_by_text("Loading…")).to_be_visible()
    expect(page.get_by_text("No jobs yet.")).to_have_count(0)
