"""/: a small page that says what this is, shows a first mutation to copy, and links to everything else."""

from __future__ import annotations

import html
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from starlette.requests import Request  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

if TYPE_CHECKING:
    from fastapi import FastAPI

    from gql.settings import ApiSettings

_PAGES = Path(__file__).parent / "pages"


def mount(app: FastAPI, settings: ApiSettings) -> None:
    """Serve the page and its style sheet."""
    template = Template((_PAGES / "index.html").read_text(encoding="utf-8"))
    links = {"grafana": settings.grafana_url, "metrics": settings.metrics_url, "locust": settings.locust_url}
    app.mount("/static", StaticFiles(directory=_PAGES / "static"), name="static")

    @app.get("/", include_in_schema=False)
    async def front_page(request: Request) -> HTMLResponse:
        urls = {**links, "origin": str(request.base_url)}
        return HTMLResponse(template.substitute({name: html.escape(url) for name, url in urls.items()}))
