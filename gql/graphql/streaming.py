"""Subscriptions over HTTP: Server-Sent Events (distinct connections mode) and multipart (Apollo's protocol).

Strawberry's own transports, with what clients were seen to need: lines that end in a single line feed, since urql
splits events at those; a multipart body that begins and ends as MIME has it, since not all of Apollo's clients forgive
what does not; an Accept header read part by part; and a sign of life as often as the settings say.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from types import MappingProxyType
from typing import TYPE_CHECKING

from strawberry.http.streaming import (
    MULTIPART_SUBSCRIPTION_BOUNDARY,
    MultipartSubscriptionTransport,
    SSETransport,
)
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, MULTIPART_SUBSCRIPTION_PROTOCOL

from gql.http.negotiation import EVENT_STREAM, header_elements, quality

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from strawberry.http.streaming import HTTPStreamTransport


def until(
    ended: asyncio.Event, pieces: Callable[[], AsyncIterator[str]], last: str
) -> Callable[[], AsyncGenerator[str]]:
    """The same pieces, until the event is set: then the last one, and no more."""

    async def stream() -> AsyncGenerator[str]:
        end = asyncio.ensure_future(ended.wait())
        source = pieces()
        piece: asyncio.Future[str] | None = None
        try:
            while not ended.is_set():
                piece = asyncio.ensure_future(anext(source))
                await asyncio.wait({piece, end}, return_when=asyncio.FIRST_COMPLETED)
                if not piece.done():
                    break
                try:
                    yield piece.result()
                except StopAsyncIteration:
                    return
            yield last
        finally:
            end.cancel()
            if piece is not None and not piece.done():
                piece.cancel()
                with suppress(asyncio.CancelledError, StopAsyncIteration):
                    await piece
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    return stream


def opened(headers: Mapping[str, str], pieces: Callable[[], AsyncIterator[str]]) -> Callable[[], AsyncIterator[str]]:
    """The same pieces; where they are parts of a multipart body, after the boundary that it begins with."""
    if not headers["Content-Type"].startswith("multipart/"):
        return pieces

    async def stream() -> AsyncGenerator[str]:
        source = pieces()
        try:
            yield f"\r\n--{MULTIPART_SUBSCRIPTION_BOUNDARY}"
            async for piece in source:
                yield piece
        finally:
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    return stream


def transports(heartbeat_seconds: float) -> dict[str, type[HTTPStreamTransport]]:
    """The transports by protocol, as Strawberry's router takes them."""

    class EventStream(SSETransport):
        def __init__(self) -> None:
            super().__init__(heartbeat_seconds)

        def accepts(self, accept: str) -> bool:
            return quality(accept, EVENT_STREAM) > 0

        def encode_event(self, event: str, data: str | None = None) -> str:
            return super().encode_event(event, data).replace("\r\n", "\n")

        def encode_comment(self, comment: str) -> str:
            return f": {comment}\n\n"

    class Multipart(MultipartSubscriptionTransport):
        heartbeat_interval = heartbeat_seconds
        headers = MappingProxyType(
            {"Content-Type": f"multipart/mixed;boundary={MULTIPART_SUBSCRIPTION_BOUNDARY};subscriptionSpec=1.0"}
        )

        def accepts(self, accept: str) -> bool:
            return any(
                part.quality > 0 and self.accepts_content_type(part.name, part.parameters)
                for part in header_elements(accept)
            )

        def encode_complete(self) -> str:
            """Makes the boundary after the last part the closing one."""
            return "--\r\n"

    return {GRAPHQL_SSE_PROTOCOL: EventStream, MULTIPART_SUBSCRIPTION_PROTOCOL: Multipart}
