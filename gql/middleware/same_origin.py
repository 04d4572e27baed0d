"""Same-origin middleware: protects against cross-site request forgery."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from gql.http.fields import combined
from gql.http.problem_details import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# Methods without side effects. A page of another origin can't read the response.
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class SameOriginMiddleware:
    """Responds with 403 to a request with side effects that a page of another origin sent.

    An HTML form can POST to any address, and some endpoints need no body. Browsers send the page's origin. Other
    clients send none and are allowed. Strawberry applies the same rule to WebSockets, with the same setting.
    """

    def __init__(self, app: ASGIApp, allowed_origins: frozenset[str]) -> None:
        self._app = app
        self._allowed_origins = allowed_origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request unless its origin is not allowed."""
        if (
            scope["type"] == "http"
            and scope["method"] not in _SAFE_METHODS
            and not self._is_allowed(Headers(scope=scope))
        ):
            detail = "Cross-origin request refused. Add the page's origin to ALLOWED_ORIGINS to allow it."
            await problem(HTTPStatus.FORBIDDEN, detail)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_allowed(self, headers: Headers) -> bool:
        origin = combined(headers, "origin")
        if origin is None or headers.get("sec-fetch-site") == "same-origin":
            return True
        if is_same_origin(origin, headers.get("host")) or "*" in self._allowed_origins:
            return True
        return normalize_origin(origin) in self._allowed_origins
