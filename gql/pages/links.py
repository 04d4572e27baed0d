"""/links: the pages and services that the console links to, and which of them respond.

The API checks the services, since the console's policy allows no requests to them. It checks the addresses of its
settings only, whatever a client sends.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import httpx
from starlette.responses import JSONResponse

from gql.http.proxies import client_options

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from fastapi import FastAPI

    from gql.settings import ApiSettings

_TITLES: Final = {"grafana": "Grafana", "metrics": "VictoriaMetrics", "traces": "Jaeger", "locust": "Locust"}

# A request for the links waits for the checks, so that the first one has their outcome.
_TIMEOUT_SECONDS = 1
_CHECK_INTERVAL_SECONDS = 10


def add_routes(app: FastAPI, settings: ApiSettings) -> None:
    """Serve the links. Like every route that is not listed as public, this one requires credentials."""
    services = LinkedServices(settings.check_urls)
    # Relative to the console.
    pages = [
        {"name": "GraphiQL", "url": "graphql", "isReachable": settings.has_graphiql},
        {"name": "REST", "url": "docs", "isReachable": True},
    ]

    @app.get("/links", include_in_schema=False)
    async def links() -> JSONResponse:
        responding = await services.responding()
        linked = [
            {"name": _TITLES[name], "url": url, "isReachable": name in responding}
            for name, url in settings.link_urls.items()
        ]
        return JSONResponse({"links": [*pages, *linked]}, headers={"Cache-Control": "no-store"})


class LinkedServices:
    """Checks services all at once and every few seconds at most, however many requests there are."""

    def __init__(self, urls: Mapping[str, str]) -> None:
        self._urls = urls
        self._checked_at = -float("inf")
        self._responding: Collection[str] = frozenset()
        self._checking = asyncio.Lock()

    async def responding(self) -> Collection[str]:
        """The names of the services that responded to the last check."""
        async with self._checking:
            if time.monotonic() - self._checked_at > _CHECK_INTERVAL_SECONDS:
                outcomes = await asyncio.gather(*map(_responds, self._urls.values()))
                self._responding = {name for name, responds in zip(self._urls, outcomes, strict=True) if responds}
                self._checked_at = time.monotonic()
        return self._responding


async def _responds(url: str) -> bool:
    """Whether a service responds with anything but a server error, which proxies send for a missing service."""
    try:
        async with (
            asyncio.timeout(_TIMEOUT_SECONDS),
            httpx.AsyncClient(**client_options(url)) as client,
            client.stream("GET", url) as response,
        ):
            return not response.is_server_error
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, TimeoutError):
        return False
