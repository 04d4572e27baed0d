"""The console while the API or the job store is away, and in two tabs: it says so in one line and goes on by itself."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from playwright.sync_api import expect

from tests import programs
from tests.e2e.browser.console_page import ConsolePage
from tests.programs import free_port, paused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, BrowserContext, Locator

    from tests.conftest import System
    from tests.programs import Program, Valkey

API_AWAY = "The server does not respond. Trying again; this page goes on by itself."
STORE_AWAY = "The job store is unavailable. Trying again; this page goes on by itself."
# A browser reports a failed request and socket itself.
NETWORK_ERRORS = ("Failed to load resource: ", "WebSocket connection to ")


@pytest.fixture
def context(browser: Browser, built: None) -> Iterator[BrowserContext]:  # noqa: ARG001 - needed for its effect
    """Tabs of one window."""
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(30_000)
    yield context
    context.close()


def submit(url: str, count: int = 10) -> str:
    job_id: str = httpx.post(f"{url}/generate", params={"n": count}, timeout=20).json()["request_id"]
    return job_id


def row(console: ConsolePage, job_id: str) -> Locator:
    return console.page.locator("tr", has=console.page.locator(f'a[href="?job={job_id}"]'))


def test_console_goes_on_after_a_restart_of_the_api(
    context: BrowserContext, valkey: Valkey, prefix: str, tmp_path: Path
) -> None:
    port = free_port()
    with ExitStack() as running:
        worker = running.enter_context(programs.worker(tmp_path, valkey.url, prefix))
        running.enter_context(paused(worker))
        console = ConsolePage(context.new_page(), f"http://127.0.0.1:{port}")
        status = console.page.get_by_role("status")
        with programs.api(tmp_path, valkey.url, prefix, port) as (url, api):
            job_id = submit(url)
            console.open()
            expect(row(console, job_id)).to_contain_text("Queued")
            api.kill()
            expect(status).to_have_text(API_AWAY)
            # What was loaded stays.
            expect(row(console, job_id)).to_contain_text("Queued")
        with programs.api(tmp_path, valkey.url, prefix, port):
            expect(status).to_have_text("")
            resume(worker)
            expect(row(console, job_id)).to_contain_text("Succeeded")
    console.expect_no_faults(*NETWORK_ERRORS)


def resume(program: Program) -> None:
    with paused(program):
        """Continues it at the end."""


def test_console_goes_on_after_an_outage_of_the_job_store(context: BrowserContext, tmp_path: Path) -> None:
    with (
        programs.valkey(tmp_path / "valkey") as store,
        programs.worker(tmp_path, store.url, "p:"),
        programs.api(tmp_path, store.url, "p:") as (url, _),
    ):
        console = ConsolePage(context.new_page(), url).open("?view=system")
        status = console.page.get_by_role("status")
        expect(console.page.get_by_role("region", name="Running")).to_be_visible()
        assert store.program is not None
        with paused(store.program):
            expect(status).to_have_text(STORE_AWAY)
        expect(status).to_have_text("")
        job_id = submit(url)
        console.page.get_by_role("link", name="Jobs").click()
        expect(row(console, job_id)).to_contain_text("Succeeded")
    console.expect_no_faults(*NETWORK_ERRORS)


def test_change_in_one_tab_is_seen_in_the_other(context: BrowserContext, system: System) -> None:
    with paused(system.worker):
        job_id = submit(system.url)
        tabs = [ConsolePage(context.new_page(), system.url).open(query) for query in ("", f"?job={job_id}")]
        expect(row(tabs[0], job_id)).to_contain_text("Queued")
        expect(tabs[1].page.get_by_text("Queued", exact=True).first).to_be_visible()
    expect(row(tabs[0], job_id)).to_contain_text("Succeeded")
    expect(tabs[1].page.get_by_text("Succeeded", exact=True).first).to_be_visible()
    for tab in tabs:
        tab.expect_no_faults()
        tab.page.close()
