"""graphql-transport-ws, strictly: what the protocol does not allow closes the socket with its code, never by a fault.

Strawberry's handler trusts the shape of messages. Here each is looked at first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphql import GraphQLSyntaxError
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import BaseGraphQLTransportWSHandler

from schema.context import Context

if TYPE_CHECKING:
    from graphql import GraphQLError
    from strawberry.subscriptions.protocols.graphql_transport_ws.types import Message

# A close frame has room for 123 bytes of reason.
_REASON_CHARACTERS = 100


class StrictHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's handler behind a check of each message."""

    async def handle_message(self, message: Message) -> None:
        """Handle a message of the right shape; close the socket at any other."""
        if (mistake := _mistake(message)) is not None:
            await self.handle_invalid_message(mistake)
            return
        if message["type"] == "connection_init" and message.get("payload", {}) is None:
            # The protocol allows it, Strawberry does not.
            message = {"type": "connection_init"}
        await super().handle_message(message)

    async def handle_invalid_message(self, error_message: str) -> None:
        """Close with 4400 and a reason that fits into the frame."""
        await super().handle_invalid_message(error_message[:_REASON_CHARACTERS])

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> str | None:
        # A syntax error is one operation's, and the socket's other operations go on.
        if isinstance(error, GraphQLSyntaxError):
            return None
        return BaseGraphQLTransportWSHandler._get_pre_execution_close_reason(error)  # noqa: SLF001 - what it overrides


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
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return "the payload of subscribe must have a query"
    for name, kind in (("variables", dict), ("extensions", dict), ("operationName", str)):
        if not isinstance(payload.get(name), kind | None):
            return f"{name} must be {'a string' if kind is str else 'an object'}"
    return None
