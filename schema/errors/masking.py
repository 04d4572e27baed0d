"""Masking of unexpected errors: a client gets one sentence and a trace id, the log has the rest."""

from __future__ import annotations

import logging
import secrets

from graphql import GraphQLError
from opentelemetry import trace

from schema.error_codes import is_unexpected

log = logging.getLogger(__name__)

UNEXPECTED_ERROR_CODE = "INTERNAL_SERVER_ERROR"
UNEXPECTED_ERROR_MESSAGE = "Unexpected error. It was logged; traceId identifies it."

_TRACE_ID = "traceId"


def trace_id() -> str:
    """The id that finds an error in the log: the current trace's, or a random one of the same form without a trace."""
    span = trace.get_current_span().get_span_context()
    return trace.format_trace_id(span.trace_id if span.is_valid else secrets.randbits(128))


def masked(error: GraphQLError) -> GraphQLError:
    """An error as the client gets it: an unexpected one without its text."""
    if not is_unexpected(error):
        return error
    extensions = {"code": UNEXPECTED_ERROR_CODE, _TRACE_ID: _ensure_trace_id(error)}
    return GraphQLError(
        UNEXPECTED_ERROR_MESSAGE, error.nodes, error.source, error.positions, error.path, extensions=extensions
    )


def log_unexpected_errors(errors: list[GraphQLError], operation_name: str | None) -> None:
    """Log unexpected errors with their tracebacks. Expected ones are not logged."""
    for error in filter(is_unexpected, errors):
        log.error(
            "Unexpected error in operation %r at %s, trace %s",
            operation_name,
            error.path,
            _ensure_trace_id(error),
            exc_info=error.original_error,
        )


def _ensure_trace_id(error: GraphQLError) -> str:
    """Logging and masking run in either order. Both must use the same id."""
    error.extensions = {_TRACE_ID: trace_id(), **(error.extensions or {})}
    return str(error.extensions[_TRACE_ID])
