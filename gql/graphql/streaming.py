"""Subscriptions over HTTP: Server-Sent Events (distinct connections mode) and multipart (Apollo's protocol).

Strawberry's transports, adapted to real clients: events end with single line feeds, at which urql splits; a multipart
body starts and ends as MIME requires, since some of Apollo's clients accept nothing else; heartbeats have a
configurable interval. gql.graphql.requests chooses between the two.

A browser's EventSource connects again when a stream has ended. The last event of an operation has an id, which it sends
back as Last-Event-ID. It stops at 204.
"""

from __future__ import annotations

import hashlib
from contextlib import aclosing
from contextvars import ContextVar
from types import MappingProxyType
from typing import TYPE_CHECKING

import orjson
from strawberry.http.streaming import (
    MULTIPART_SUBSCRIPTION_BOUNDARY,
    MultipartSubscriptionTransport,
    SSETransport,
)
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, MULTIPART_SUBSCRIPTION_PROTOCOL

from schema.error_codes import TIMEOUT, UNAUTHENTICATED, ErrorCode
from schema.errors.masking import UNEXPECTED_ERROR_CODE
from schema.operations import stream_end

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

    from graphql import GraphQLError
    from strawberry.http.streaming import HTTPStreamTransport


# For proxies between the server and its client: nginx buffers responses, and others compress them.
UNBUFFERED = {"Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no"}


# Hexadecimal digits of an event id. Two operations of one client do not have the same.
_ID_DIGITS = 16

# The id of the last event of this request's stream, None if there is none.
_end_id: ContextVar[str | None] = ContextVar("end_id", default=None)

# Codes of errors that another attempt may not have.
_TEMPORARY = frozenset(
    {
        ErrorCode.BACKEND_UNAVAILABLE.value,
        ErrorCode.RATE_LIMITED.value,
        TIMEOUT,
        UNAUTHENTICATED,
        UNEXPECTED_ERROR_CODE,
    }
)


def mark_end(query: str, operation_name: str | None, variables: object) -> str:
    """Give the last event of this request's stream the id that is returned: the same for the same operation."""
    operation = orjson.dumps([query, operation_name, variables], option=orjson.OPT_SORT_KEYS)
    end_id = f"end-{hashlib.sha256(operation).hexdigest()[:_ID_DIGITS]}"
    _end_id.set(end_id)
    return end_id


def note_errors(errors: Iterable[GraphQLError]) -> None:
    """Remove the mark of the end if an error is one that another attempt may not have."""
    if any((error.extensions or {}).get("code") in _TEMPORARY for error in errors):
        stream_end.interrupt()


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

        def encode_complete(self) -> str:
            end_id = None if stream_end.is_interrupted() else _end_id.get()
            return ("" if end_id is None else f"id: {end_id}\n") + super().encode_complete()

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
