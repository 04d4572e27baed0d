"""The one table from the service's expected failures (tasks.errors) to those of the contract.

A mutation or subscription returns them as members of its union: `except JobError as error: return user_error(error)`.
One that its union does not have is a server error. Any other field lets them pass: they become GraphQL errors with a
code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import strawberry
from graphql import GraphQLError

from schema.error_codes import ErrorCode
from schema.errors import types
from schema.telemetry import record_user_error
from schema.types.job import Job
from schema.types.scalars import SafeInt, milliseconds
from schema.types.system import QueueStats
from tasks import errors

if TYPE_CHECKING:
    from collections.abc import Iterable


def user_error(error: errors.JobError, *path: str) -> types.UserError:
    """The union member for an expected failure; `path` is where the request's fields are in the GraphQL arguments."""
    found = _converted(error, path)
    record_user_error(type(found).__name__)
    return found


def graphql_error(error: errors.JobError) -> GraphQLError:
    """The GraphQL error for an expected failure of something that has no union."""
    return GraphQLError(str(error), original_error=error, extensions=_extensions(error))


def add_codes(graphql_errors: Iterable[GraphQLError]) -> None:
    """Add the code of the expected failure that a field raised."""
    for found in graphql_errors:
        if isinstance(found.original_error, errors.JobError):
            found.extensions = _extensions(found.original_error)


def _extensions(error: errors.JobError) -> dict[str, Any]:
    found = _converted(error, ())
    extensions: dict[str, Any] = {"code": found.code.value}
    if isinstance(found, types.QueueFull | types.RateLimited | types.BackendUnavailable):
        extensions["retryAfterMs"] = found.retry_after_ms
    return extensions


def _converted(error: errors.JobError, path: tuple[str, ...]) -> types.UserError:  # noqa: PLR0911 - one for each error
    message = str(error)
    match error:
        case errors.InvalidRequest():
            issues = [_field_issue(issue, path) for issue in error.issues]
            return types.ValidationError(code=ErrorCode.VALIDATION, message=message, retryable=False, issues=issues)
        case errors.JobNotFound():
            return types.JobNotFound(
                code=ErrorCode.JOB_NOT_FOUND, message=message, retryable=False, id=strawberry.ID(error.job_id)
            )
        case errors.JobAlreadyFinished():
            return types.JobAlreadyFinished(
                code=ErrorCode.JOB_ALREADY_FINISHED, message=message, retryable=False, job=Job.of(error.job)
            )
        case errors.JobNotRetryable():
            return types.JobNotRetryable(
                code=ErrorCode.JOB_NOT_RETRYABLE, message=message, retryable=False, job=Job.of(error.job)
            )
        case errors.IdempotencyConflict():
            return types.IdempotencyConflict(
                code=ErrorCode.IDEMPOTENCY_CONFLICT, message=message, retryable=False, existing=Job.of(error.existing)
            )
        case errors.QueueFull():
            return types.QueueFull(
                code=ErrorCode.QUEUE_FULL,
                message=message,
                retryable=True,
                retry_after_ms=milliseconds(error.retry_after),
                queue=QueueStats.of(error.queue),
            )
        case errors.RateLimited():
            return types.RateLimited(
                code=ErrorCode.RATE_LIMITED,
                message=message,
                retryable=True,
                retry_after_ms=milliseconds(error.retry_after),
            )
        case errors.BackendUnavailable():
            return types.BackendUnavailable(
                code=ErrorCode.BACKEND_UNAVAILABLE,
                message=message,
                retryable=True,
                retry_after_ms=milliseconds(error.retry_after),
            )
        case _:
            raise NotImplementedError(f"{type(error).__name__} has no member of UserError") from error


def _field_issue(issue: errors.FieldIssue, path: tuple[str, ...]) -> types.FieldIssue:
    return types.FieldIssue(
        path=[*path, *issue.path],
        message=issue.message,
        min=None if issue.minimum is None else SafeInt(issue.minimum),
        max=None if issue.maximum is None else SafeInt(issue.maximum),
    )
