"""What every answer tells a browser to keep to, and which pages may send requests at all.

Pages set the policy of what they load themselves; whatever else is answered may load nothing and be framed by nobody.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

from gql.problems import problem

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gql.settings import ApiSettings

_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

# Methods that change nothing: a page of another origin can't read what they answer.
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def protect(app: FastAPI, settings: ApiSettings) -> None:
    """Put the protections around all that the application answers. To be called last: what comes later is outside."""
    app.add_middleware(OwnPages, allowed_origins=settings.origins)
    app.add_middleware(SecurityHeaders)


class SecurityHeaders:
    """ASGI middleware: headers for browsers on each answer that has no such header of its own."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on, and add to the beginning of an answer."""

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, protected if scope["type"] == "http" else send)


class OwnPages:
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
