"""The console's frame in a real browser: its views, its addresses, and the policy that it runs under."""

from __future__ import annotations

import gzip
import re
from typing import TYPE_CHECKING, Final

import pytest
from playwright.sync_api import expect

from gql import explorer
from tests.clients import finished_job
from tests.e2e.browser.console_page import console_in_new_window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.conftest import System
    from tests.e2e.browser.console_page import ConsolePage


MAX_BYTES: Final = 120_000

ASSET = re.compile(r'"\./explorer/([^"]+\.(?:js|css))"')
IMPORT = re.compile(r'["`]\./([^"`/]+\.(?:js|css))["`]')


@pytest.fixture
def console(browser: Browser, system: System, built: None) -> Iterator[ConsolePage]:  # noqa: ARG001 - needed for its effect
    with console_in_new_window(browser, system.url, viewport={"width": 1200, "height": 800}) as console:
        yield console


def test_address_names_the_view(console: ConsolePage, system: System) -> None:
    job_id = finished_job(system, 10)
    console.open()
    page, heading = console.page, console.page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Jobs")
    page.locator(f'a[href="?job={job_id}"]').first.click()
    expect(page).to_have_url(f"{system.url}/?job={job_id}")
    expect(heading).to_be_focused()
    expect(page.get_by_text("Succeeded").first).to_be_visible()
    page.get_by_role("link", name="System").click()
    expect(page).to_have_title("System · Primes")
    page.go_back()
    page.reload()
    expect(page.get_by_text("Succeeded").first).to_be_visible()


@pytest.mark.usefixtures("built")
def test_console_is_small() -> None:
    """Scripts and style sheets that any of its views loads, compressed."""
    names = set(ASSET.findall((explorer.DIST / explorer.CONSOLE).read_text(encoding="utf-8")))
    waiting = set(names)
    while waiting:
        text = (explorer.DIST / "explorer" / waiting.pop()).read_text(encoding="utf-8")
        found = set(IMPORT.findall(text)) - names
        names |= found
        waiting |= found
    sizes = {name: len(gzip.compress((explorer.DIST / "explorer" / name).read_bytes())) for name in names}
    assert sum(sizes.values()) <= MAX_BYTES, sizes
    assert len(names) > 2


def test_header_links_to_the_other_pages(console: ConsolePage, system: System) -> None:
    page = console.open().page
    expect(page.get_by_role("link", name="GraphiQL")).to_have_attribute("href", f"{system.url}/graphql")
    page.get_by_role("link", name="REST").click()
    expect(page).to_have_url(f"{system.url}/docs")
