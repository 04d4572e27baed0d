"""What a client learns of errors: expected ones as they are, defects as one sentence; the log has the rest."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING

from graphql import GraphQLError
from opentelemetry import trace
from strawberry.extensions import MaskErrors

if TYPE_CHECKING:
    from strawberry.types import ExecutionContext

log = logging.getLogger(__name__)

UNEXPECTED_ERROR_CODE = "INTERNAL_SERVER_ERROR"
UNEXPECTED_ERROR_MESSAGE = "Unexpected error: it was logged, and is not the fault of the request."

_TRACE_ID = "traceId"


def is_unexpected(error: GraphQLError) -> bool:
    """Whether an error is neither the document's fault nor an expected refusal."""
    return not isinstance(error.original_error, GraphQLError | None)


def trace_id() -> str:
    """By what a defect is found in the log: the trace that it is in, or else a number of its own of the same form."""
    span = trace.get_current_span().get_span_context()
    return trace.format_trace_id(span.trace_id if span.is_valid else secrets.randbits(128))


class _MaskUnexpectedErrors(MaskErrors):
    def anonymise_error(self, error: GraphQLError) -> GraphQLError:
        masked = super().anonymise_error(error)
        masked.extensions = {"code": UNEXPECTED_ERROR_CODE, _TRACE_ID: _identified(error)}
        return masked


def mask_unexpected_errors() -> MaskErrors:
    """The extension that hides defects; a new one for each operation."""
    return _MaskUnexpectedErrors(should_mask_error=is_unexpected, error_message=UNEXPECTED_ERROR_MESSAGE)


def log_unexpected_errors(errors: list[GraphQLError], context: ExecutionContext | None) -> None:
    """Log defects with their tracebacks. A client's mistakes are not news."""
    for error in filter(is_unexpected, errors):
        operation = context.operation_name if context else None
        found = _identified(error)
        log.error("operation %r failed at %s, trace %s", operation, error.path, found, exc_info=error.original_error)


def _identified(error: GraphQLError) -> str:
    """The same for the log and for the client, whichever comes first."""
    error.extensions = {_TRACE_ID: trace_id(), **(error.extensions or {})}
    return str(error.extensions[_TRACE_ID])
