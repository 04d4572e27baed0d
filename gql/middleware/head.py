"""HEAD middleware: every route that answers GET answers HEAD, with the same status and headers (RFC 9110, 9.3.2)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SCOPE_KEY = "is_head"

# RFC 9110, 14.2: ranges are of GET only.
_GET_ONLY = frozenset({b"range", b"if-range"})


class _HeadSentError(Exception):
    pass


def is_head(connection: HTTPConnection) -> bool:
    """Whether a GET request is one for its headers only."""
    return _SCOPE_KEY in connection.scope


class HeadMiddleware:
    """Forwards HEAD as GET, and stops the application after the headers: a stream has no end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, and the head of the response."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send(message)
            await send({"type": "http.response.body"})
            raise _HeadSentError

        headers = [header for header in scope["headers"] if header[0] not in _GET_ONLY]
        with suppress(_HeadSentError):
            await self._app({**scope, "method": "GET", "headers": headers, _SCOPE_KEY: True}, receive, send_head)
