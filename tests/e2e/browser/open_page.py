"""A page, open in a browser, and what it requested and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route, WebSocket

_RECORD_VIOLATIONS = (
    "window.violations = [];"
    "addEventListener('securitypolicyviolation', (event) => violations.push(event.violatedDirective));"
)


class OpenPage:
    """One open page of the server, its sockets and its errors. Requests to other hosts are aborted."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.external_urls: list[str] = []
        self.errors: list[str] = []
        self.sockets: list[WebSocket] = []
        page.on("websocket", lambda socket: self.sockets.append(socket))  # noqa: PLW0108 - Playwright sets attributes on its handlers
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type in {"error", "warning"} else None)
        page.context.add_init_script(_RECORD_VIOLATIONS)
        page.context.route("**/*", self._abort_external)

    def _abort_external(self, route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(self.url).netloc:
            route.continue_()
        else:
            self.external_urls.append(route.request.url)
            route.abort()

    def expect_no_faults(self, *expected: str) -> None:
        """No error in the browser's console, no violation of the policy, no request to another host.

        Args:
            expected: how errors begin that the test provokes.
        """
        errors = [error for error in self.errors if not error.startswith(expected)]
        faults = [*errors, *self.page.evaluate("violations"), *self.external_urls]
        # Only test modules have their assertions explained by pytest.
        assert not faults, faults
