"""The front page without the console and the REST documentation in a real browser, without requests to other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from gql import explorer
from tests import in_process
from tests.e2e.browser.open_page import OpenPage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.conftest import System


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[[str], Page]]:
    """Opens a page that must send no request to another host and log no error."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    opened: list[OpenPage] = []

    def opened_page(url: str) -> Page:
        opened.append(OpenPage(context.new_page(), url))
        opened[-1].page.goto(url)
        return opened[-1].page

    yield opened_page
    for page in opened:
        page.expect_no_faults()
    context.close()


def test_front_page_without_the_console_links_to_the_rest_documentation(
    open_page: Callable[[str], Page], system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "page", lambda *_: None)
    with in_process.api(system.valkey.url, system.prefix, RESULTS_URL=system.results_url) as url:
        page = open_page(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Async Prime Generator")
        expect(page.locator("pre").first).to_contain_text("generatePrimes(input: {count: 10}")
        page.get_by_role("link", name="REST").click()
        expect(page.locator("#operations-primes-generate_generate_post")).to_be_visible(timeout=15_000)


def test_rest_documentation_submits_a_job(open_page: Callable[[str], Page], system: System) -> None:
    page = open_page(f"{system.url}/docs")
    operation = page.locator("#operations-primes-generate_generate_post")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("request_id")
