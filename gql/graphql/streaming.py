"""Subscriptions over HTTP: Server-Sent Events (distinct connections mode) and multipart (Apollo's protocol).

Strawberry's transports, adapted to real clients: events end with single line feeds, at which urql splits; a multipart
body starts and ends as MIME requires, since some of Apollo's clients accept nothing else; heartbeats have a
configurable interval. gql.graphql.requests chooses between the two.
"""

from __future__ import annotations

from contextlib import aclosing
from types import MappingProxyType
from typing import TYPE_CHECKING

from strawberry.http.streaming import (
    MULTIPART_SUBSCRIPTION_BOUNDARY,
    MultipartSubscriptionTransport,
    SSETransport,
)
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, MULTIPART_SUBSCRIPTION_PROTOCOL

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from strawberry.http.streaming import HTTPStreamTransport


# For proxies between the server and its client: nginx buffers responses, and others compress them.
UNBUFFERED = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


async def with_opening_boundary(chunks: AsyncGenerator[str]) -> AsyncGenerator[str]:
    """The chunks of a multipart body after its opening boundary, which Strawberry does not send."""
    async with aclosing(chunks):
        yield f"\r\n--{MULTIPART_SUBSCRIPTION_BOUNDARY}"
        async for chunk in chunks:
            yield chunk


def transports(heartbeat_seconds: float) -> dict[str, type[HTTPStreamTransport]]:
    """Transport classes by protocol, for Strawberry's router."""

    class EventStream(SSETransport):
        def __init__(self) -> None:
            super().__init__(heartbeat_seconds)

        def encode_event(self, event: str, data: str | None = None) -> str:
            return super().encode_event(event, data).replace("\r\n", "\n")

        def encode_comment(self, comment: str) -> str:
            return f": {comment}\n\n"

    class Multipart(MultipartSubscriptionTransport):
        heartbeat_interval = heartbeat_seconds
        headers = MappingProxyType(
            {"Content-Type": f"multipart/mixed;boundary={MULTIPART_SUBSCRIPTION_BOUNDARY};subscriptionSpec=1.0"}
        )

        def encode_complete(self) -> str:
            """Turn the boundary after the last part into the closing boundary."""
            return "--\r\n"

    return {GRAPHQL_SSE_PROTOCOL: EventStream, MULTIPART_SUBSCRIPTION_PROTOCOL: Multipart}
