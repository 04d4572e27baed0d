"""Body limit middleware: rejects large and compressed request bodies before they are parsed."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect

from gql.http.fields import tokens
from gql.http.problem_details import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _BodyTooLargeError(Exception):
    pass


class BodyLimitMiddleware:
    """Responds with 413 to a body above the limit, by its Content-Length or by the bytes received.

    Compressed bodies get 415: documents of this size do not need compression, and a compressed kilobyte may expand to a
    gigabyte.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request unless its headers exceed the limits."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in {b"content-length", b"content-encoding"}}
        if b"content-encoding" in headers and not _is_plain(scope):
            await _compressed()(scope, receive, send)
        elif int(headers.get(b"content-length", b"0")) > self._max_body_bytes:
            await self._too_large()(scope, receive, send)
        else:
            await self._forward_counting(scope, receive, send)

    async def _forward_counting(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, response_started = 0, False

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise _BodyTooLargeError
            return message

        async def send_noted(message: Message) -> None:
            nonlocal response_started
            response_started = True
            await send(message)

        try:
            await self._app(scope, receive_counted, send_noted)
        except _BodyTooLargeError:
            if not response_started:
                await self._too_large()(scope, receive, send)
        except ClientDisconnect:
            # The client is gone, halfway through the body: there is nothing to respond to.
            return

    def _too_large(self) -> ASGIApp:
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"The request body exceeds {self._max_body_bytes} bytes.")


def _is_plain(scope: Scope) -> bool:
    return {"identity"}.issuperset(tokens(Headers(scope=scope), "content-encoding"))


def _compressed() -> ASGIApp:
    detail = "Compressed request bodies are not supported. Send the body without Content-Encoding."
    response = problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
    response.headers["Accept-Encoding"] = "identity"
    return response
