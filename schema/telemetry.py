"""Duration and outcome of each GraphQL operation. HTTP metrics lack both: one path, and status 200 for most errors.

Attributes come from the schema, never from the client, whose operation names have no bound.
"""

from __future__ import annotations

import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Self

from graphql import FieldNode, GraphQLError, OperationType, get_operation_ast
from opentelemetry import metrics, trace
from opentelemetry.trace import Status, StatusCode
from strawberry.extensions import SchemaExtension

from observability.buckets import SECONDS
from schema.error_codes import is_unexpected

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from graphql import OperationDefinitionNode

INVALID = "INVALID"
INTERNAL = "INTERNAL"
_NO_FIELD = "_invalid"


_meter = metrics.get_meter("schema")
_OPERATION_DURATION = _meter.create_histogram(
    "graphql.server.operation.duration",
    "s",
    "Duration of queries and mutations",
    explicit_bucket_boundaries_advisory=SECONDS,
)
_SUBSCRIPTION_DURATION = _meter.create_histogram(
    "graphql.server.subscription.duration",
    "s",
    "Duration of subscriptions, from start to completion",
    explicit_bucket_boundaries_advisory=SECONDS,
)
_ACTIVE_SUBSCRIPTIONS = _meter.create_up_down_counter(
    "graphql.server.active_subscriptions", "{subscription}", "Open subscriptions"
)


class _Outcome:
    """The outcome of the current operation, set by the code that finds an error."""

    error_type: str | None = None


_outcome: ContextVar[_Outcome | None] = ContextVar("outcome", default=None)


def record_user_error(name: str) -> None:
    """Record an expected failure that is returned as data, so not an error in GraphQL's sense."""
    if (outcome := _outcome.get()) is not None:
        outcome.error_type = name


def record_errors(errors: list[GraphQLError]) -> None:
    """Record errors of the operation. An unexpected one takes precedence over invalid requests."""
    if (outcome := _outcome.get()) is not None:
        outcome.error_type = INTERNAL if any(map(is_unexpected, errors)) else INVALID
    if any(map(is_unexpected, errors)):
        span = trace.get_current_span()
        if span.is_recording():
            span.set_status(Status(StatusCode.ERROR))


def measured(operation: OperationDefinitionNode) -> AbstractContextManager[object]:
    """Measure the execution of a query or mutation in a block."""
    measurement = _Measurement()
    measurement.start_execution(operation)
    return measurement


class OperationTelemetry(SchemaExtension):
    """Measures one operation. The schema gets the class and creates an instance for each operation."""

    def on_operation(self) -> Iterator[None]:
        """Measure parsing, validation and execution; for a subscription, until it completes."""
        with _Measurement() as self._measurement:
            yield

    def on_execute(self) -> Iterator[None]:
        """Runs for valid documents only. For a subscription, it covers the start only."""
        context = self.execution_context
        document = context.graphql_document
        operation = get_operation_ast(document, context.operation_name) if document is not None else None
        if operation is not None:
            self._measurement.start_execution(operation)
        yield


class _Measurement:
    """The measurement of one operation, started at construction and recorded at the end of its block."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._operation: OperationDefinitionNode | None = None
        # Not reset afterwards: a stream can end in another context than it started in.
        self._outcome = _Outcome()
        _outcome.set(self._outcome)

    def __enter__(self) -> Self:
        return self

    def start_execution(self, operation: OperationDefinitionNode) -> None:
        """Note the operation, which is valid."""
        self._operation = operation
        if operation.operation is OperationType.SUBSCRIPTION:
            _ACTIVE_SUBSCRIPTIONS.add(1, {"graphql.root_field": _root_field(operation)})
        span = trace.get_current_span()
        if not span.is_recording():
            return
        span.set_attribute("graphql.operation.type", operation.operation.value)
        if operation.name is not None:
            span.set_attribute("graphql.operation.name", operation.name.value)
        span.update_name(f"{operation.operation.value} {_root_field(operation)}")

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Record the duration and the outcome. An error that ends the block is processed after it."""
        if isinstance(error, Exception):
            record_errors([error if isinstance(error, GraphQLError) else GraphQLError("", original_error=error)])
        seconds, operation, outcome = time.perf_counter() - self._started, self._operation, self._outcome
        attributes = {"graphql.root_field": _NO_FIELD if operation is None else _root_field(operation)}
        if operation is not None and operation.operation is OperationType.SUBSCRIPTION:
            _ACTIVE_SUBSCRIPTIONS.add(-1, attributes)
            histogram = _SUBSCRIPTION_DURATION
        else:
            histogram = _OPERATION_DURATION
            # An invalid document has no operation, so no type.
            attributes["graphql.operation.type"] = "query" if operation is None else operation.operation.value
        if outcome.error_type is not None:
            attributes["error.type"] = outcome.error_type
        histogram.record(seconds, attributes)


def _root_field(operation: OperationDefinitionNode) -> str:
    """The name of the operation's first field in the schema, not its alias."""
    for selection in operation.selection_set.selections:
        if isinstance(selection, FieldNode):
            return selection.name.value
    return _NO_FIELD
