"""Error codes, and the GraphQL error of a page size, cursor or interval that is out of bounds.

The service's expected failures: schema.errors.convert. Any other exception is a bug: schema.errors.masking logs and
masks it.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

import strawberry
from graphql import GraphQLError, ValueNode

from tasks.errors import JobError

# Codes of request errors: GraphQL errors that are not about a field of the response.
LIMIT_EXCEEDED: Final = "LIMIT_EXCEEDED"
TIMEOUT: Final = "TIMEOUT"
UNAUTHENTICATED: Final = "UNAUTHENTICATED"
INVALID_SYNTAX: Final = "GRAPHQL_PARSE_FAILED"
INVALID_DOCUMENT: Final = "GRAPHQL_VALIDATION_FAILED"
INVALID_VARIABLES: Final = "BAD_USER_INPUT"

# Characters of a message that quotes what a client sent.
MAX_MESSAGE_LENGTH: Final = 300


@strawberry.enum(description="Machine-readable code of an expected failure.")
class ErrorCode(Enum):
    """Which expected failure this is."""

    VALIDATION = strawberry.enum_value("VALIDATION", description="An argument is invalid or out of bounds.")
    JOB_NOT_FOUND = strawberry.enum_value("JOB_NOT_FOUND", description="The job does not exist or has expired.")
    JOB_ALREADY_FINISHED = strawberry.enum_value("JOB_ALREADY_FINISHED", description="The job is already final.")
    JOB_NOT_RETRYABLE = strawberry.enum_value(
        "JOB_NOT_RETRYABLE", description="Only a FAILED or CANCELLED job can be retried."
    )
    IDEMPOTENCY_CONFLICT = strawberry.enum_value(
        "IDEMPOTENCY_CONFLICT", description="The idempotency key was used for a job with other arguments."
    )
    QUEUE_FULL = strawberry.enum_value("QUEUE_FULL", description="The queue is full.")
    RATE_LIMITED = strawberry.enum_value("RATE_LIMITED", description="The caller has exceeded its rate limit or quota.")
    BACKEND_UNAVAILABLE = strawberry.enum_value(
        "BACKEND_UNAVAILABLE", description="The job store is unavailable. Nothing was acknowledged."
    )


class RequestRefusedError(GraphQLError):
    """An argument is out of bounds, and the field has no union to return that in."""

    def __init__(self, message: str) -> None:
        super().__init__(message, extensions={"code": ErrorCode.VALIDATION.value})


def has_code(error: GraphQLError) -> bool:
    """Whether a client can tell by its code which error this is."""
    return error.extensions is not None and "code" in error.extensions


def is_unexpected(error: GraphQLError) -> bool:
    """Whether an error is a bug: neither an invalid request nor an expected failure."""
    if isinstance(error.original_error, GraphQLError):
        return error.path is not None and not has_code(error) and not _is_about_value(error.original_error)
    return not isinstance(error.original_error, JobError | None)


def _is_about_value(error: GraphQLError) -> bool:
    """Whether an error of graphql-core is about a value in the request, and not about one for the response."""
    return error.nodes is not None and isinstance(error.nodes[0], ValueNode)
