"""graphql-transport-ws, strictly: what the protocol does not allow closes the socket with its code, never by a fault.

Strawberry's handler trusts the shape of messages. Here each is looked at first.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from graphql import GraphQLError, GraphQLSyntaxError
from opentelemetry import trace
from opentelemetry.context import Context as TraceContext
from opentelemetry.trace import Link, SpanKind
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler

from gql.auth.authenticator import NotAuthenticated
from gql.graphql.persisted_documents import PersistedDocumentError
from schema.context import Context
from schema.limits.settings import LimitExceeded
from tasks.api.feed import cancelled
from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import Operation
    from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
        ConnectionInitMessage,
        Message,
        SubscribeMessage,
    )

    from gql.auth.authenticator import Session
    from gql.graphql.router import JobRouter

_tracer = trace.get_tracer("gql")
_NO_PARENT = TraceContext()

# Codes of the protocol, and of WebSockets themselves.
_FORBIDDEN = 4403
_TRY_AGAIN_LATER = 1013

# A close frame has room for 123 bytes of reason.
_REASON_CHARACTERS = 100


class StrictHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's handler behind a check of each message, and of who sends it."""

    _leaving: asyncio.Task[None] | None = None

    async def handle_message(self, message: Message) -> None:
        """Handle a message of the right shape; close the socket at any other."""
        if (mistake := _mistake(message)) is not None:
            await self.handle_invalid_message(mistake)
            return
        if message["type"] == "connection_init" and message.get("payload", {}) is None:
            # The protocol allows it, Strawberry does not.
            message = {"type": "connection_init"}
        await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Acknowledge, where callers are asked who they are only to those who may come in; and look after them."""
        keeper = cast("JobRouter", self.view).authenticator
        if keeper is None or self.connection_init_received or self.connection_timed_out:
            await super().handle_connection_init(message)
            return
        try:
            admitted = await keeper.admit(_authorization(message.get("payload") or {}, self.context))
        except NotAuthenticated:
            await self.websocket.close(code=_FORBIDDEN, reason="Forbidden")
        except BackendUnavailable as error:
            await self.websocket.close(code=_TRY_AGAIN_LATER, reason=str(error))
        else:
            self.context.enter(admitted)
            self._leaving = asyncio.create_task(self._leave_with(admitted))
            await super().handle_connection_init(message)

    async def _leave_with(self, admitted: Session) -> None:
        with admitted.watched():
            await admitted.ended.wait()
        await self.websocket.close(code=_FORBIDDEN, reason="Forbidden: this key or token holds no longer")

    async def shutdown(self) -> None:
        """End all that goes on here."""
        if self._leaving is not None:
            await cancelled(self._leaving)
        await super().shutdown()

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation, unless as many are open as may be, or its document may not be used."""
        if not self.connection_acknowledged or message["id"] in self.operations:
            # Strawberry closes the socket.
            await super().handle_subscribe(message)
            return
        try:
            most = self.max_subscriptions_per_connection
            if most is not None and len(self.operations) >= most:
                raise LimitExceeded("operations open", f"{most} already", most)
            payload = cast("JobRouter", self.view).documents.resolve(cast("dict[str, object]", message["payload"]))
        except PersistedDocumentError as refusal:
            await self._refuse(message, GraphQLError(str(refusal), extensions={"code": refusal.code}))
        except GraphQLError as refusal:
            await self._refuse(message, refusal)
        else:
            await super().handle_subscribe(cast("SubscribeMessage", {**message, "payload": payload}))

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run it in a trace of its own: a socket may be open for days, and each job has one trace to itself."""
        connection = trace.get_current_span().get_span_context()
        with _tracer.start_as_current_span(
            "operation",
            _NO_PARENT,
            SpanKind.SERVER,
            {"network.protocol.name": "websocket"},
            [Link(connection)] if connection.is_valid else [],
        ):
            await super().run_operation(operation)

    async def _refuse(self, message: SubscribeMessage, error: GraphQLError) -> None:
        await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})

    async def handle_invalid_message(self, error_message: str) -> None:
        """Close with 4400 and a reason that fits into the frame."""
        await super().handle_invalid_message(error_message[:_REASON_CHARACTERS])

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # A syntax error is one operation's, and the socket's other operations go on.
        if isinstance(error, GraphQLSyntaxError):
            return None
        return BaseGraphQLTransportWSHandler._get_pre_execution_close_reason(error)  # noqa: SLF001 - what it overrides


def _authorization(payload: Mapping[str, object], context: Context) -> str | None:
    """As the header has it, from the payload, where browsers can put it, or else from the request's own header."""
    for name in ("Authorization", "authorization"):
        if isinstance(found := payload.get(name), str):
            return found
    if isinstance(token := payload.get("token"), str):
        return f"Bearer {token}"
    return None if context.request is None else context.request.headers.get("authorization")


def _mistake(message: object) -> str | None:
    """What is wrong with a message's shape; None when nothing is."""
    if not isinstance(message, dict):
        return "a message must be an object"
    kind, payload = message.get("type"), message.get("payload")
    if not isinstance(kind, str):
        return "a message must have a type"
    if kind in {"connection_init", "ping", "pong"} and not isinstance(payload, dict | None):
        return f"the payload of {kind} must be an object"
    if kind in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return f"the id of {kind} must be a string that is not empty"
    return _mistake_of_operation(payload) if kind == "subscribe" else None


def _mistake_of_operation(payload: Any) -> str | None:  # noqa: ANN401 - any JSON
    if not isinstance(payload, dict) or not isinstance(payload.get("query", payload.get("documentId")), str):
        return "the payload of subscribe must have a query or a documentId"
    for name, kind in (("variables", dict), ("extensions", dict), ("operationName", str)):
        if not isinstance(payload.get(name), kind | None):
            return f"{name} must be {'a string' if kind is str else 'an object'}"
    return None
