"""The console, open in a browser."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from playwright.sync_api import expect

from tests.e2e.browser.open_page import OpenPage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser


class ConsolePage(OpenPage):
    """The console of a server."""

    def open(self, query: str = "") -> Self:
        """Load the page and wait for its view."""
        self.page.goto(f"{self.url}/{query}")
        expect(self.page.get_by_role("heading", level=1)).to_be_visible(timeout=15_000)
        return self


@contextmanager
def console_in_new_window(browser: Browser, url: str, **options: Any) -> Iterator[ConsolePage]:
    """A console that is not loaded yet, and has no faults at the end; options are those of the browser's context."""
    context = browser.new_context(**{"viewport": {"width": 1200, "height": 900}, **options})
    context.set_default_timeout(30_000)
    console = ConsolePage(context.new_page(), url)
    yield console
    console.expect_no_faults()
    context.close()
