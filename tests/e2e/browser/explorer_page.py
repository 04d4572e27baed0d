"""A page with GraphiQL, open in a browser, and what it requested and reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Route, WebSocket

# Sends WebSocket handshakes to a path that rejects them, as a proxy without support for upgrades does.
NO_WEBSOCKET = """
window.WebSocket = class extends WebSocket {
  constructor(url, protocols) { super(`${new URL(url).origin}/no-socket-here`, protocols); }
};
"""
# The editors render only the visible lines; their models hold the whole text. The name is GraphiQL's.
SET_TEXT = """
([kind, text]) => __MONACO.editor.getModels().find((model) => model.uri.path.includes(kind)).setValue(text)
"""


class ExplorerPage:
    """One open page, its requests and its console errors. Requests to other hosts are aborted."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.external_urls: list[str] = []
        self.console_errors: list[str] = []
        self.requests: list[Request] = []
        self.sockets: list[WebSocket] = []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - Playwright sets attributes on its handlers
        page.on("websocket", lambda socket: self.sockets.append(socket))  # noqa: PLW0108 - as above
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.on(
            "console", lambda line: self.console_errors.append(line.text) if line.type in {"error", "warning"} else None
        )
        page.context.route("**/*", self._abort_external)

    def _abort_external(self, route: Route) -> None:
        if urlsplit(route.request.url).netloc == urlsplit(self.url).netloc:
            route.continue_()
        else:
            self.external_urls.append(route.request.url)
            route.abort()

    def open(self) -> Self:
        self.page.goto(f"{self.url}/graphql")
        expect(self.page.locator(".graphiql-query-editor .view-line").first).to_be_visible(timeout=20_000)
        return self

    def open_tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        expect(self.page.locator(".graphiql-query-editor")).to_contain_text(name)

    def set_text(self, editor: str, text: str) -> None:
        self.page.evaluate(SET_TEXT, [editor, text])

    def run(self) -> None:
        self.page.get_by_role("button", name="Execute query").click()

    def expect_result(self, *texts: str) -> None:
        for text in texts:
            expect(self.page.locator(".result-window")).to_contain_text(text, timeout=15_000)

    def posts(self) -> list[Request]:
        return [request for request in self.requests if request.method == "POST"]
