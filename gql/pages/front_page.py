"""/: the console, or a page with links and example requests if the console is not available.

The console is built by gql.explorer, from the same npm project as GraphiQL.
"""

from __future__ import annotations

import html
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from gql import explorer
from gql.http.addresses import path_prefix

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gql.settings import ApiSettings

PAGES = Path(__file__).parent

# The minimum that the console needs. It has no inline style in its HTML; its code sets styles of elements.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'none'"
)

_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    # The console's assets are immutable, and after an update it must refer to the new ones.
    "Cache-Control": "no-cache",
}

_NOT_BUILT = (
    "The console, where you submit and follow jobs, was not built. Run <code>make explorer</code>, which prints what "
    "is missing, then reload this page. The server needs no restart."
)
_NOT_TRUSTED = "The console is not available, because TRUSTED_DOCUMENTS_ONLY refuses its operations."


def add_routes(app: FastAPI, settings: ApiSettings, dist: Path = explorer.DIST) -> None:
    """Serve the page and the static files."""
    plain = Template((PAGES / "index.html").read_text(encoding="utf-8"))
    notice = _NOT_TRUSTED if settings.trusted_documents_only else _NOT_BUILT
    app.mount("/static", StaticFiles(directory=PAGES / "static"), name="static")

    @app.get("/", include_in_schema=False)
    async def front_page(request: Request) -> HTMLResponse:
        page = None if settings.trusted_documents_only else explorer.page(explorer.CONSOLE, dist)
        if page is None:
            urls = {**settings.link_urls, "origin": str(request.base_url)}
            page = plain.substitute({name: html.escape(url) for name, url in urls.items()}, notice=notice)
        return HTMLResponse(_with_base(page, path_prefix(request.scope)), headers=_HEADERS)


def _with_base(page: str, prefix: str) -> str:
    """The page with its base address, unless that is the root.

    All addresses in it are relative, since a proxy may publish it under a prefix that is not configured. Under one that
    is, the page itself may have an address without the slash at the end.
    """
    return page.replace("<head>", f'<head><base href="{html.escape(prefix)}/">', 1) if prefix else page
