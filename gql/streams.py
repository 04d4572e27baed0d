"""Subscriptions over HTTP: Server-Sent Events (distinct connections mode) and multipart (Apollo's protocol).

Strawberry's own transports, with what clients were seen to need: lines that end in a single line feed, since urql
splits events at those; an Accept header read part by part; and a sign of life as often as the settings say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strawberry.http.streaming import MultipartSubscriptionTransport, SSETransport
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, MULTIPART_SUBSCRIPTION_PROTOCOL

from gql.accept import EVENT_STREAM, media_ranges, quality

if TYPE_CHECKING:
    from strawberry.http.streaming import HTTPStreamTransport


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

        def accepts(self, accept: str) -> bool:
            return any(
                part.quality > 0 and self.accepts_content_type(part.name, part.parameters)
                for part in media_ranges(accept)
            )

    return {GRAPHQL_SSE_PROTOCOL: EventStream, MULTIPART_SUBSCRIPTION_PROTOCOL: Multipart}
