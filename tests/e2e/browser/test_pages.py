"""The front page and the REST documentation in a real browser, without requests to other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

    from tests.conftest import System


@pytest.fixture
def page(browser: Browser, system: System) -> Iterator[Page]:
    """A page that must send no request to another host and log no error."""
    external_urls: list[str] = []
    console_errors: list[str] = []

    def abort_external(route: Route) -> None:
        if route.request.url.startswith(system.url):
            route.continue_()
        else:
            external_urls.append(route.request.url)
            route.abort()

    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.route("**/*", abort_external)
    page = context.new_page()
    page.on("pageerror", lambda error: console_errors.append(str(error)))
    page.on("console", lambda line: console_errors.append(line.text) if line.type in {"error", "warning"} else None)
    yield page
    context.close()
    assert (external_urls, console_errors) == ([], [])


def test_front_page_links_to_the_rest_documentation(page: Page, system: System) -> None:
    page.goto(system.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Async Prime Generator")
    expect(page.locator("pre").first).to_contain_text("generatePrimes(input: {count: 10}")
    page.get_by_role("link", name="REST").click()
    expect(page.locator("#operations-primes-generate_generate_post")).to_be_visible()


def test_rest_documentation_submits_a_job(page: Page, system: System) -> None:
    page.goto(f"{system.url}/docs")
    operation = page.locator("#operations-primes-generate_generate_post")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("request_id")
