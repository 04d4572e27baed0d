"""The console's page of one job, in a real browser: its life, all of its primes, its files."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.clients import data, finished_job
from tests.e2e.browser.console_page import console_in_new_window
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from tests.conftest import System
    from tests.e2e.browser.console_page import ConsolePage

PRIMES = ["2", "3", "5", "7", "11", "13", "17", "19", "23", "29"]
SEGMENT = 2**20
# Seconds of work, so that a page is open before the job ends.
LONG = {"count": 24 * SEGMENT, "start": 10**15}

SUBMIT = """
mutation ($input: GeneratePrimesInput!) {
  generatePrimes(input: $input) { ... on GeneratePrimesAccepted { job { id } } }
}
"""
CANCEL = "mutation ($id: ID!) { cancelJob(id: $id) { __typename } }"


@pytest.fixture
def console(browser: Browser, system: System, built: None) -> Iterator[ConsolePage]:  # noqa: ARG001 - needed for its effect
    with console_in_new_window(browser, system.url) as console:
        yield console


@pytest.fixture(scope="module")
def large_job(system: System) -> str:
    """A job with 6 x 10^6 primes: too many rows for one element of a page."""
    return finished_job(system, 6_000_000)


def submitted(system: System, count: int, start: int) -> str:
    job_id: str = data(system, SUBMIT, input={"count": count, "start": start})["generatePrimes"]["job"]["id"]
    return job_id


def row(page: Page, index: int, prime: int) -> None:
    """The list shows this prime at this index."""
    expect(page.get_by_role("row", name=f"{index:,} {prime:,}", exact=True)).to_be_in_viewport()


def jump(page: Page, kind: str, number: str) -> None:
    page.get_by_label("Go to index or value").select_option(kind)
    page.get_by_label("Number").fill(number)
    page.get_by_label("Number").press("Enter")


def test_job_is_watched_to_its_end(console: ConsolePage, system: System) -> None:
    """The end of the list follows the job, from a stream of its primes."""
    job_id = submitted(system, **LONG)
    sent: list[str] = []
    console.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(str(frame))))
    page = console.open(f"?job={job_id}").page
    status = page.locator(".job-title .status")
    expect(status).to_have_text(re.compile("Queued|Running"))
    page.get_by_label("Follow the end").check(timeout=40_000)
    early = int(page.get_by_role("grid").get_attribute("aria-rowcount") or 0)
    expect(status).to_have_text("Succeeded", timeout=90_000)
    assert early < LONG["count"]
    assert any("FollowPrimes" in frame for frame in sent)
    last = data(system, "query ($id: ID!) { job(id: $id) { result { last } } }", id=job_id)["job"]["result"]["last"]
    row(page, LONG["count"] - 1, last)
    expect(page.get_by_role("status").get_by_text("The job has ended: succeeded.")).to_be_attached()
    expect(page.get_by_role("listitem").filter(has_text="Succeeded")).to_contain_text("after")


def test_index_beyond_the_height_of_an_element_is_reached(console: ConsolePage, large_job: str) -> None:
    page = console.open(f"?job={large_job}").page
    row(page, 0, 2)
    jump(page, "index", "5e6")
    row(page, 5_000_000, 86_028_157)
    expect(page).to_have_url(re.compile(f"job={large_job}&index=5000000$"))
    page.reload()
    row(page, 5_000_000, 86_028_157)
    expect(page.locator("[aria-selected=true]")).to_have_attribute("aria-rowindex", "5000002")
    page.go_back()
    row(page, 0, 2)


def test_value_is_found(console: ConsolePage, large_job: str) -> None:
    page = console.open(f"?job={large_job}").page
    jump(page, "value", "86,028,150")
    row(page, 5_000_000, 86_028_157)
    jump(page, "value", "104395302")
    expect(page.get_by_role("alert")).to_have_text("No prime that can be read is 104,395,302 or more.")
    jump(page, "index", "6000000")
    expect(page.get_by_role("alert")).to_have_text("Index must be 0 to 5,999,999.")


def test_keys_move_from_row_to_row(console: ConsolePage, large_job: str) -> None:
    page = console.open(f"?job={large_job}&index=5000000").page
    grid = page.get_by_role("grid")
    grid.focus()
    active = page.locator("[aria-selected=true]")
    for key, index in [("ArrowDown", 5_000_001), ("ArrowUp", 5_000_000), ("Home", 0), ("End", 5_999_999)]:
        grid.press(key)
        expect(active).to_have_attribute("aria-rowindex", str(index + 2))
        expect(grid).to_have_attribute("aria-activedescendant", f"prime-{index}")
    row(page, 5_999_999, 104_395_301)
    grid.press("PageUp")
    expect(page).to_have_url(re.compile(r"index=59999\d\d$"))


def test_only_visible_pages_are_requested(console: ConsolePage, large_job: str) -> None:
    """The scrollbar is dragged from one end to the other."""
    requests: list[str] = []
    page = console.page
    page.on("request", lambda request: requests.append(str(request.post_data)) if request.method == "POST" else None)
    console.open(f"?job={large_job}")
    row(page, 0, 2)
    page.evaluate(
        """async () => {
          const grid = document.querySelector(".grid");
          for (let step = 1; step <= 40; step += 1) {
            grid.scrollTop = (step / 40) * grid.scrollHeight;
            await new Promise((resolve) => requestAnimationFrame(resolve));
          }
        }"""
    )
    row(page, 5_999_999, 104_395_301)
    assert len([text for text in requests if "PrimesPage" in text]) < 10


def copy(page: Page, label: str) -> None:
    page.get_by_role("button", name=f"Copy {label}").click()
    expect(page.get_by_role("button", name=f"Copied {label}")).to_be_visible()


def test_digest_and_commands_are_copied(console: ConsolePage, system: System) -> None:
    job_id = finished_job(system, 10)
    console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = console.open(f"?job={job_id}").page
    copy(page, "digest")
    result = data(system, "query ($id: ID!) { job(id: $id) { result { sha256 } } }", id=job_id)["job"]["result"]
    assert page.evaluate("navigator.clipboard.readText()") == result["sha256"]
    page.get_by_text("The same with GraphQL or curl").click()
    copy(page, "GraphQL: Read a page")
    document = page.evaluate("navigator.clipboard.readText()")
    assert data(system, document)["job"]["primes"]["values"][-1] == 29


def test_text_is_copied_without_a_secure_context(console: ConsolePage, system: System) -> None:
    job_id = finished_job(system, 10)
    console.page.add_init_script("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page = console.open(f"?job={job_id}").page
    copy(page, "job id")
    page.get_by_label("Number").press("Control+v")
    expect(page.get_by_label("Number")).to_have_value(job_id)


def test_file_is_downloaded(console: ConsolePage, system: System, tmp_path: Path) -> None:
    job_id = finished_job(system, 10)
    page = console.open(f"?job={job_id}").page
    with page.expect_download() as download:
        page.get_by_role("link", name="Download CSV").click()
    download.value.save_as(tmp_path / "primes.csv")
    assert (tmp_path / "primes.csv").read_text().split() == ["prime", *PRIMES]


def test_file_is_downloaded_with_the_key(console: ConsolePage, system: System, tmp_path: Path) -> None:
    """A link cannot send it."""
    job_id = finished_job(system, 10)
    console.page.add_init_script("sessionStorage.setItem('console:key', 'any')")
    page = console.open(f"?job={job_id}").page
    with page.expect_request("**/primes.csv") as request, page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    assert request.value.header_value("authorization") == "Bearer any"
    assert download.value.suggested_filename == "primes.csv"
    download.value.save_as(tmp_path / "primes.csv")
    assert (tmp_path / "primes.csv").read_text().split() == ["prime", *PRIMES]


def test_cancelled_job_keeps_its_primes_and_is_retried(console: ConsolePage, system: System) -> None:
    job_id = submitted(system, 90 * SEGMENT, 10**15)
    query = "query ($id: ID!) { job(id: $id) { result { available } } }"
    wait_until(lambda: data(system, query, id=job_id)["job"]["result"]["available"] > 0, 60)
    page = console.open(f"?job={job_id}").page
    row(page, 0, 1_000_000_000_000_037)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job-title .status")).to_have_text("Cancelled")
    available = data(system, query, id=job_id)["job"]["result"]["available"]
    expect(page.get_by_text(f"The first {available:,} primes can still be read.")).to_be_visible()
    page.get_by_role("grid").press("End")
    expect(page.locator("[aria-selected=true]")).to_have_attribute("aria-rowindex", str(available + 1))
    page.get_by_role("button", name="Retry").click()
    page.get_by_role("status").filter(has_text="Submitted again").get_by_role("link").click()
    expect(page.get_by_role("listitem").filter(has_text="Accepted")).to_contain_text("Retry of a cancelled job")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".job-title .status")).to_have_text("Cancelled")


def test_unknown_job_is_described(console: ConsolePage) -> None:
    page = console.open("?job=nothing").page
    expect(page.get_by_role("alert")).to_contain_text("There is no job nothing.")
