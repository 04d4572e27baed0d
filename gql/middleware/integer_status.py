"""Turns HTTPStatus members into plain integers, which OpenTelemetry attributes need."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


class IntegerStatusMiddleware:
    """Tells the status of each answer as a plain number.

    One of HTTPStatus is equal to it, but to the SDK another value of the attribute: there would be two series with the
    same labels, of which the metrics store keeps one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass everything on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_plain(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["status"] = int(message["status"])
            await send(message)

        await self._app(scope, receive, send_plain)
