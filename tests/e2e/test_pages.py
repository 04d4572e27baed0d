"""The front page and the REST manual in a real browser, with no network but the system."""

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
    """A page that may reach the system alone, and whose console must stay silent."""
    foreign: list[str] = []
    complaints: list[str] = []

    def own_only(route: Route) -> None:
        if route.request.url.startswith(system.url):
            route.continue_()
        else:
            foreign.append(route.request.url)
            route.abort()

    context = browser.new_context(viewport={"width": 1100, "height": 900})
    context.route("**/*", own_only)
    page = context.new_page()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda line: complaints.append(line.text) if line.type in {"error", "warning"} else None)
    yield page
    context.close()
    assert (foreign, complaints) == ([], [])


def test_the_front_page_renders_and_leads_to_the_manual(page: Page, system: System) -> None:
    page.goto(system.url)
    expect(page.get_by_role("heading", level=1)).to_have_text("Async Prime Generator")
    expect(page.locator("pre").first).to_contain_text("generatePrimes(input: {count: 10}")
    page.get_by_role("link", name="REST").click()
    expect(page.locator("#operations-primes-generate_generate_post")).to_be_visible()


def test_the_manual_submits_for_real(page: Page, system: System) -> None:
    page.goto(f"{system.url}/docs")
    operation = page.locator("#operations-primes-generate_generate_post")
    operation.click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    expect(operation.locator(".live-responses-table")).to_contain_text("request_id")
