"""The front page without the console and the REST documentation in a real browser, without requests to other hosts."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from gql import explorer
from tests import in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

    from tests.conftest import System


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page that must send no request to another host and log no error."""
    external_urls: list[str] = []
    console_errors: list[str] = []

    context = browser.new_context(viewport={"width": 1100, "height": 900})
    current = context.new_page()

    def abort_external(route: Route) -> None:
        if route.request.is_navigation_request() or urlsplit(route.request.url).netloc == urlsplit(current.url).netloc:
            route.continue_()
        else:
            external_urls.append(route.request.url)
            route.abort()

    context.route("**/*", abort_external)
    current.on("pageerror", lambda error: console_errors.append(str(error)))
    current.on("console", lambda line: console_errors.append(line.text) if line.type in {"error", "warning"} else None)
    yield current
    context.close()
    assert (external_urls, console_errors) == ([], [])


def test_front_page_without_the_console_links_to_the_rest_documentation(
    page: Page, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explorer, "page", lambda *_: None)
    with in_process.api(system.valkey.url, system.prefix, RESULTS_URL=system.results_url) as url:
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Async Prime Generator")
        expect(page.locator("pre").first).to_contain_text("generatePrimes(input: {count: 10}")
        page.get_by_role("link", name="REST").click()
        expect(page.locator("#operations-primes-generate_generate_post")).to_be_visible(timeout=15_000)


def test_rest_documentation_submits_a_job(page: Page, system: System) -> None:
    page.goto(f"{system.url}/docs")
    operation = page.locator("#operations-primes-generate_generate_post")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("request_id")
