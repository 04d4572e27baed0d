"""Refuses requests that change something and come from pages of other origins."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from gql.http.problem_details import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Methods that change nothing: a page of another origin can't read what they answer.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOriginMiddleware:
    """ASGI middleware: 403 for a request that changes something and was sent by a page of another origin.

    A form can POST anywhere, and a body is not even needed at every door. Browsers name the page's origin; other
    programs name none, and pass. WebSockets have the same rule in Strawberry, by the same setting.
    """

    def __init__(self, app: ASGIApp, allowed_origins: frozenset[str]) -> None:
        self._app = app
        self._allowed = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is refused."""
        if scope["type"] == "http" and scope["method"] not in _SAFE and not self._may_send(Headers(scope=scope)):
            refusal = problem(HTTPStatus.FORBIDDEN, "pages of another origin may not send this: see ALLOWED_ORIGINS")
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _may_send(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or headers.get("sec-fetch-site") == "same-origin":
            return True
        if is_same_origin(origin, headers.get("host")) or "*" in self._allowed:
            return True
        return normalize_origin(origin) in self._allowed
