"""Integer status middleware: sends status codes as plain integers, for OpenTelemetry attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class IntegerStatusMiddleware:
    """Converts HTTPStatus members to int.

    They compare equal, but the OpenTelemetry SDK treats them as different attribute values: it would export two series
    with the same labels, of which the metrics store keeps one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, and the response with an integer status."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_integer_status(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["status"] = int(message["status"])
            await send(message)

        await self._app(scope, receive, send_integer_status)
