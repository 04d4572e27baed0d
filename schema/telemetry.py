"""What each operation of GraphQL took and how it ended. HTTP can't tell: errors are a 200 there, all on one path.

Labels come from the schema, never from the client: its operation names have no bound.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING

from graphql import FieldNode, OperationType, get_operation_ast
from opentelemetry import metrics, trace
from opentelemetry.trace import Status, StatusCode
from strawberry.extensions import SchemaExtension

from observability.buckets import SECONDS
from schema.errors.masking import is_unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import GraphQLError, OperationDefinitionNode

INVALID = "INVALID"
INTERNAL = "INTERNAL"
_NO_FIELD = "_invalid"


_meter = metrics.get_meter("schema")
_OPERATION_DURATION = _meter.create_histogram(
    "graphql.server.operation.duration",
    "s",
    "Queries and mutations",
    explicit_bucket_boundaries_advisory=SECONDS,
)
_SUBSCRIPTION_DURATION = _meter.create_histogram(
    "graphql.server.subscription.duration",
    "s",
    "Subscriptions, from the first message to the last",
    explicit_bucket_boundaries_advisory=SECONDS,
)
_ACTIVE_SUBSCRIPTIONS = _meter.create_up_down_counter(
    "graphql.server.active_subscriptions", "{subscription}", "Subscriptions that are open now"
)


class _Outcome:
    """How the operation that is being executed went, told by whoever finds out."""

    error_type: str | None = None


_outcome: ContextVar[_Outcome | None] = ContextVar("outcome", default=None)


def record_user_error(name: str) -> None:
    """An expected error was answered as data: no error of GraphQL's own, but not what was asked for either."""
    if (outcome := _outcome.get()) is not None:
        outcome.error_type = name


def record_errors(errors: list[GraphQLError]) -> None:
    """The operation has errors; a defect among them counts before the client's mistakes."""
    if (outcome := _outcome.get()) is not None:
        outcome.error_type = INTERNAL if any(map(is_unexpected, errors)) else INVALID
    if any(map(is_unexpected, errors)):
        span = trace.get_current_span()
        if span.is_recording():
            span.set_status(Status(StatusCode.ERROR))


class OperationTelemetry(SchemaExtension):
    """Measures one operation. To be given to the schema as a class: each operation gets an instance of its own."""

    def on_operation(self) -> Iterator[None]:
        """Around everything, parsing and validation too; of a subscription, as long as it is open."""
        started = time.perf_counter()
        # Not reset afterwards: a stream may be ended in another context than it was begun in.
        outcome = _Outcome()
        _outcome.set(outcome)
        self._operation: OperationDefinitionNode | None = None
        try:
            yield
        finally:
            self._end(time.perf_counter() - started, outcome)

    def on_execute(self) -> Iterator[None]:
        """Only valid documents come here. Of a subscription, only its beginning does."""
        context = self.execution_context
        document = context.graphql_document
        self._operation = get_operation_ast(document, context.operation_name) if document is not None else None
        if self._operation is not None:
            self._name_span(self._operation, context.operation_name)
            if self._operation.operation is OperationType.SUBSCRIPTION:
                _ACTIVE_SUBSCRIPTIONS.add(1, {"graphql.root_field": _root_field(self._operation)})
        yield

    def _name_span(self, operation: OperationDefinitionNode, client_name: str | None) -> None:
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attribute("graphql.operation.type", operation.operation.value)
        if client_name is not None:
            span.set_attribute("graphql.operation.name", client_name)
        span.update_name(f"{operation.operation.value} {_root_field(operation)}")

    def _end(self, seconds: float, outcome: _Outcome) -> None:
        operation = self._operation
        attributes = {"graphql.root_field": _NO_FIELD if operation is None else _root_field(operation)}
        if operation is not None and operation.operation is OperationType.SUBSCRIPTION:
            _ACTIVE_SUBSCRIPTIONS.add(-1, attributes)
            histogram = _SUBSCRIPTION_DURATION
        else:
            histogram = _OPERATION_DURATION
            # A document that is not valid has no operation to tell the kind of.
            attributes["graphql.operation.type"] = "query" if operation is None else operation.operation.value
        if outcome.error_type is not None:
            attributes["error.type"] = outcome.error_type
        histogram.record(seconds, attributes)


def _root_field(operation: OperationDefinitionNode) -> str:
    """The first field of a valid operation: it is the schema's, and not the client's alias for it."""
    for selection in operation.selection_set.selections:
        if isinstance(selection, FieldNode):
            return selection.name.value
    return _NO_FIELD
