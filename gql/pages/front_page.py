"""/: the front page, with example requests and links to the other pages and services."""

from __future__ import annotations

import html
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from gql.http.addresses import path_prefix

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gql.settings import ApiSettings

PAGES = Path(__file__).parent

# The minimum that the page needs.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_routes(app: FastAPI, settings: ApiSettings) -> None:
    """Serve the page and the static files."""
    template = Template((PAGES / "index.html").read_text(encoding="utf-8"))
    links = {"grafana": settings.grafana_url, "metrics": settings.metrics_url, "locust": settings.locust_url}
    app.mount("/static", StaticFiles(directory=PAGES / "static"), name="static")

    @app.get("/", include_in_schema=False)
    async def front_page(request: Request) -> HTMLResponse:
        # Relative at the root: a proxy may publish the page under a prefix that is not configured.
        prefix = path_prefix(request.scope)
        urls = {**links, "origin": str(request.base_url), "root": f"{prefix}/" if prefix else ""}
        page = template.substitute({name: html.escape(url) for name, url in urls.items()})
        return HTMLResponse(page, headers={"Content-Security-Policy": CONTENT_SECURITY_POLICY})
