"""The graphql-transport-ws protocol: validation of each message, authentication, operation limit, tracing.

Strawberry's handler assumes that messages have the right shape. The subclass here validates each one first, so that a
malformed message closes the socket with the protocol's code instead of raising an exception.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, cast

from graphql import GraphQLError
from opentelemetry import trace
from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import Link, SpanKind
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler

from gql.auth.authenticator import NotAuthenticated
from gql.graphql.requests import RequestRefused, check_parameters
from gql.http.fields import combined
from schema.context import Context
from schema.limits.settings import LimitExceededError
from tasks.cancellation import cancel_and_wait
from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import Operation
    from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
        ConnectionInitMessage,
        Message,
        SubscribeMessage,
    )

    from gql.auth.authenticator import Authenticator
    from gql.auth.sessions import Session
    from gql.graphql.request_reader import RequestReader

_tracer = trace.get_tracer("gql")
_NO_PARENT = TraceContext()

# Close codes: of graphql-transport-ws, and of RFC 6455.
_FORBIDDEN = 4403
_TRY_AGAIN_LATER = 1013

# For the last messages of all operations, to a client that may not be reading.
_LAST_MESSAGES_TIMEOUT = timedelta(seconds=1)

# A close frame holds at most 123 bytes of reason.
_MAX_REASON_CHARACTERS = 100


class WebSocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Handles one WebSocket connection. Strawberry creates it, so its dependencies are attributes of a subclass."""

    reader: ClassVar[RequestReader]
    authenticator: ClassVar[Authenticator | None]

    _session_watch: asyncio.Task[None] | None = None

    async def handle_message(self, message: Message) -> None:
        """Handle a valid message; close the socket with 4400 after an invalid one."""
        if (error := _validation_error(message)) is not None:
            await self.handle_invalid_message(error)
            return
        if message["type"] == "connection_init" and message.get("payload", {}) is None:
            # The protocol allows a null payload, Strawberry does not.
            message = {"type": "connection_init"}
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Authenticate the caller if authentication is enabled, then acknowledge the connection."""
        if self.authenticator is None or self.connection_init_received or self.connection_timed_out:
            await super().handle_connection_init(message)
            return
        try:
            session = await self.authenticator.authenticate(_authorization(message.get("payload") or {}, self.context))
        except NotAuthenticated:
            await self.websocket.close(code=_FORBIDDEN, reason="Forbidden")
        except BackendUnavailable as error:
            await self.websocket.close(code=_TRY_AGAIN_LATER, reason=str(error))
        else:
            self.context.authenticate(session)
            self._session_watch = asyncio.create_task(self._close_when_ended(session))
            await super().handle_connection_init(message)

    async def _close_when_ended(self, session: Session) -> None:
        with session.revalidating():
            await session.ended.wait()
        # Each operation ends with its own error first.
        if operations := [operation.task for operation in self.operations.values() if operation.task is not None]:
            await asyncio.wait(operations, timeout=_LAST_MESSAGES_TIMEOUT.total_seconds())
        await self.websocket.close(code=_FORBIDDEN, reason="Forbidden: API key or token expired or revoked")

    async def shutdown(self) -> None:
        """Stop watching the session, then cancel all operations of the connection."""
        if self._session_watch is not None:
            await cancel_and_wait(self._session_watch)
        await super().shutdown()

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Start an operation unless the connection has too many or the request is refused."""
        if not self.connection_acknowledged or message["id"] in self.operations:
            # Strawberry closes the socket with 4401 or 4409.
            await super().handle_subscribe(message)
            return
        try:
            limit = self.max_subscriptions_per_connection
            if limit is not None and len(self.operations) >= limit:
                raise LimitExceededError("operations open", f"{limit} already", limit)
            request = self.reader.read(cast("dict[str, object]", message["payload"]))
        except GraphQLError as error:
            await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
        else:
            payload = {**message["payload"], "query": request.query}
            await super().handle_subscribe(cast("SubscribeMessage", {**message, "payload": payload}))

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run the operation in its own trace, linked to the connection's: a connection can stay open for days."""
        connection = trace.get_current_span().get_span_context()
        with _tracer.start_as_current_span(
            "operation",
            _NO_PARENT,
            SpanKind.SERVER,
            {"network.protocol.name": "websocket"},
            [Link(connection)] if connection.is_valid else [],
        ):
            await super().run_operation(operation)

    async def handle_invalid_message(self, error_message: str) -> None:
        """Close with 4400 and a reason that fits into a close frame."""
        await super().handle_invalid_message(error_message[:_MAX_REASON_CHARACTERS])

    @staticmethod
    def _get_pre_execution_close_reason(_: GraphQLError) -> str | None:
        # An invalid document fails its own operation only. The connection's other operations continue.
        return None


def handler_class(reader: RequestReader, authenticator: Authenticator | None) -> type[WebSocketHandler]:
    """The handler class for Strawberry's view, bound to its dependencies."""

    class BoundHandler(WebSocketHandler):
        pass

    BoundHandler.reader = reader
    BoundHandler.authenticator = authenticator
    return BoundHandler


def _authorization(payload: Mapping[str, object], context: Context) -> str | None:
    """Credentials in the form of an Authorization header.

    Taken from the connection_init payload, since browsers cannot set headers of a WebSocket, or else from the header
    of the handshake.
    """
    for name in ("Authorization", "authorization"):
        if isinstance(value := payload.get(name), str):
            return value
    if isinstance(token := payload.get("token"), str):
        return f"Bearer {token}"
    return None if context.request is None else combined(context.request.headers, "authorization")


def _validation_error(message: object) -> str | None:
    """What is wrong with a message's shape, or None if it is valid."""
    if not isinstance(message, dict):
        return "message must be an object"
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str):
        return "message type must be a string"
    if kind in {"connection_init", "ping", "pong"} and not isinstance(payload, dict | None):
        return f"payload of {kind} must be an object"
    if kind in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return f"id of {kind} must be a non-empty string"
    return _payload_error(payload) if kind == "subscribe" else None


def _payload_error(payload: object) -> str | None:
    if not isinstance(payload, dict):
        return "payload of subscribe must be an object"
    try:
        check_parameters(payload)
    except RequestRefused as refusal:
        return refusal.message
    return None
