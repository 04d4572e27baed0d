"""Loopback-only middleware: without authentication, requests on other addresses get 403."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from gql.http.problem_details import problem
from gql.server.binding import open_access_error

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LoopbackOnlyMiddleware:
    """Rejects requests that arrived on an address other machines can reach, whatever server the application runs in."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request if it arrived on a loopback address or a Unix socket."""
        server = scope.get("server")
        if scope["type"] == "lifespan" or server is None or server[1] is None or _is_loopback(server[0]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send(
                {
                    "type": "websocket.close",
                    "code": 1008,
                    "reason": "Only reachable on the loopback address without authentication.",
                }
            )
        else:
            await problem(HTTPStatus.FORBIDDEN, open_access_error(server[0]))(scope, receive, send)


@lru_cache(maxsize=64)
def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        # A server name, as in-process test clients set it, not an address.
        return True
