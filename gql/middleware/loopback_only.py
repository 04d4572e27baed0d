"""Refuses requests that arrive at an address other machines can reach, while no authentication is configured."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

from gql.http.problem_details import problem
from gql.server.binding import refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class LoopbackOnlyMiddleware:
    """ASGI middleware: 403 for what has come in by an address that others reach too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is refused."""
        server = scope.get("server")
        if scope["type"] == "lifespan" or server is None or server[1] is None or _is_own(server[0]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": "open on the loopback address only"})
        else:
            await problem(HTTPStatus.FORBIDDEN, refusal(server[0]))(scope, receive, send)


@lru_cache(maxsize=64)
def _is_own(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        # A name that a server gives itself is no address.
        return True
