"""The console with AUTHENTICATION=keys: asks for a key, sends it on every transport, forgets it when it is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from playwright.sync_api import expect

from tests import programs
from tests.authenticated import bearer_header
from tests.e2e.browser.console_page import ConsolePage
from tests.e2e.browser.explorer_page import NO_WEBSOCKET
from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Locator, Page

    from tests.conftest import System

    Keys = Callable[..., str]

# What a browser reports itself: each response with 401, and sockets that do not open.
REFUSED = (
    "Failed to load resource: the server responded with a status of 401 (Unauthorized)",
    "WebSocket connection to ",
)
WANTED_KEY = "() => sessionStorage.length === 0 && localStorage.length === 0"


@pytest.fixture(scope="module")
def url(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an API of the system that requires keys."""
    options: dict[str, Any] = {"AUTHENTICATION": "keys", "RESULTS_URL": system.results_url}
    with programs.api(tmp_path_factory.mktemp("keys"), system.valkey.url, system.prefix, **options) as (url, _):
        yield url


@pytest.fixture(scope="module")
def keys(system: System) -> Keys:
    """Runs a command of gql.keys in a process, since this one has an event loop for the browser."""

    def run(*arguments: str) -> str:
        environment = os.environ | {"REDIS_URL": system.valkey.url, "KEY_PREFIX": system.prefix}
        command = [sys.executable, "-m", "gql.keys", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout.strip()

    return run


@pytest.fixture
def console(browser: Browser, url: str, built: None) -> Iterator[ConsolePage]:  # noqa: ARG001 - needed for its effect
    context = browser.new_context(viewport={"width": 1200, "height": 800})
    context.set_default_timeout(30_000)
    console = ConsolePage(context.new_page(), url)
    yield console
    console.expect_no_faults(*REFUSED)
    context.close()


def dialog(page: Page) -> Locator:
    return page.get_by_role("dialog", name="API key")


def enter(page: Page, key: str) -> None:
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_role("button", name="Continue").click()


def figures(page: Page) -> Locator:
    return page.get_by_role("region", name="Running")


@pytest.mark.parametrize("script", ["", NO_WEBSOCKET], ids=["websocket", "event stream"])
def test_key_is_kept_for_the_tab_and_forgotten_when_it_is_revoked(
    console: ConsolePage, keys: Keys, script: str
) -> None:
    alice, bob = keys("create", "alice"), keys("create", "bob")
    page = console.page
    page.add_init_script(script)
    console.open("?view=system")
    expect(dialog(page)).to_be_visible()
    enter(page, "wrong")
    expect(dialog(page)).to_contain_text("The server refused this key")
    assert page.evaluate(WANTED_KEY)
    enter(page, alice)
    expect(dialog(page)).to_be_hidden()
    expect(figures(page)).to_be_visible()

    page.reload()
    expect(figures(page)).to_be_visible()
    expect(dialog(page)).to_be_hidden()
    assert page.context.storage_state()["origins"] == []
    assert page.context.cookies() == []

    keys("revoke", alice.split("_")[1])
    expect(dialog(page)).to_contain_text("The server refused this key")
    assert page.evaluate(WANTED_KEY)
    enter(page, bob)
    expect(dialog(page)).to_be_hidden()
    expect(figures(page)).to_be_visible()


def test_new_tab_asks_for_its_own_key(console: ConsolePage, keys: Keys) -> None:
    key = keys("create", "carol")
    console.open()
    enter(console.page, key)
    expect(dialog(console.page)).to_be_hidden()
    other = ConsolePage(console.page.context.new_page(), console.url).open()
    expect(dialog(other.page)).to_be_visible()
    other.page.close()


def test_caller_sees_only_own_jobs(console: ConsolePage, url: str, keys: Keys) -> None:
    ours, theirs = keys("create", "dora"), keys("create", "emil")
    ids = [
        httpx.post(f"{url}/generate?n=10", headers=bearer_header(key), timeout=20).json()["request_id"]
        for key in (ours, theirs)
    ]
    console.open()
    enter(console.page, ours)
    expect(console.page.locator(f'a[href="?job={ids[0]}"]').first).to_be_visible()
    expect(console.page.locator(f'a[href="?job={ids[1]}"]')).to_have_count(0)
