"""/docs: Swagger UI for the REST endpoints. All assets are served from here, so it works without internet access."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from gql.pages.front_page import PAGES

if TYPE_CHECKING:
    from fastapi import FastAPI

_ASSETS = "/docs/assets"

# The minimum that the page needs. Its style sheet has icons as data: URLs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_routes(app: FastAPI) -> None:
    """Serve the page, and its assets from the fastapi-offline package."""
    app.mount(_ASSETS, StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")
    page = (PAGES / "docs.html").read_text(encoding="utf-8")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})
