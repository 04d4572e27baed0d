"""A limit for request bodies, before anything reads or parses them."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect

from gql.http.problem_details import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _TooLarge(Exception):
    pass


class BodyLimitMiddleware:
    """ASGI middleware: 413 for a body that is larger than allowed, by its declared or by its counted length.

    Compressed bodies are refused with 415: nobody needs them for documents of this size, and one of a kilobyte may
    stand for a gigabyte.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on unless it is refused."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name: value for name, value in scope["headers"] if name in {b"content-length", b"content-encoding"}}
        refusal: ASGIApp | None = None
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            refusal = problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send the body without Content-Encoding")
        elif int(headers.get(b"content-length", b"0")) > self._max_body_bytes:
            refusal = self._too_large()
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        received, answered = 0, False

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body_bytes:
                raise _TooLarge
            return message

        async def noted(message: Message) -> None:
            nonlocal answered
            answered = True
            await send(message)

        try:
            await self._app(scope, counted, noted)
        except _TooLarge:
            if not answered:
                await self._too_large()(scope, receive, send)
        except ClientDisconnect:
            # Half a body, and nobody to answer: no fault of ours.
            return

    def _too_large(self) -> ASGIApp:
        return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is larger than {self._max_body_bytes} bytes")
