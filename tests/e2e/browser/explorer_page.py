"""GraphiQL, open in a browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from playwright.sync_api import expect

from tests.e2e.browser.open_page import OpenPage

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request

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


class ExplorerPage(OpenPage):
    """GraphiQL of a server, and its requests."""

    def __init__(self, page: Page, url: str) -> None:
        super().__init__(page, url)
        self.requests: list[Request] = []
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - Playwright sets attributes on its handlers

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
