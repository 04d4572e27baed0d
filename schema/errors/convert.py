"""The one table from the service's expected failures (tasks.errors) to the union members of the contract.

Each resolver catches the failures that its union has and returns what is made of them here. The overloads let mypy
check that these are members of the resolver's union.
"""

from __future__ import annotations

from typing import assert_never, overload

import strawberry

from schema.errors import types
from schema.errors.codes import ErrorCode
from schema.types.job import Job
from schema.types.scalars import SafeInt, milliseconds
from schema.types.system import QueueStats
from tasks import errors


@overload
def user_error(error: errors.InvalidRequest, *path: str) -> types.ValidationError: ...
@overload
def user_error(error: errors.JobNotFound) -> types.JobNotFound: ...
@overload
def user_error(error: errors.IdempotencyConflict) -> types.IdempotencyConflict: ...
@overload
def user_error(error: errors.QueueFull) -> types.QueueFull: ...
@overload
def user_error(error: errors.RateLimited) -> types.RateLimited: ...
@overload
def user_error(error: errors.BackendUnavailable) -> types.BackendUnavailable: ...
def user_error(
    error: errors.InvalidRequest
    | errors.JobNotFound
    | errors.IdempotencyConflict
    | errors.QueueFull
    | errors.RateLimited
    | errors.BackendUnavailable,
    *path: str,
) -> types.UserError:
    """The union member for an expected failure; `path` is where the request's fields are in the GraphQL arguments."""
    message = str(error)
    match error:
        case errors.InvalidRequest():
            issues = [_field_issue(issue, path) for issue in error.issues]
            return types.ValidationError(code=ErrorCode.VALIDATION, message=message, retryable=False, issues=issues)
        case errors.JobNotFound():
            return types.JobNotFound(
                code=ErrorCode.JOB_NOT_FOUND, message=message, retryable=False, id=strawberry.ID(error.job_id)
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
            assert_never(error)


def job_already_finished(error: errors.TransitionRefused) -> types.JobAlreadyFinished:
    """The union member for a cancellation of a job that is final."""
    return types.JobAlreadyFinished(
        code=ErrorCode.JOB_ALREADY_FINISHED, message=str(error), retryable=False, job=Job.of(error.job)
    )


def job_not_retryable(error: errors.TransitionRefused) -> types.JobNotRetryable:
    """The union member for a retry of a job that neither failed nor was cancelled."""
    return types.JobNotRetryable(
        code=ErrorCode.JOB_NOT_RETRYABLE, message=str(error), retryable=False, job=Job.of(error.job)
    )


def _field_issue(issue: errors.FieldIssue, path: tuple[str, ...]) -> types.FieldIssue:
    return types.FieldIssue(
        path=[*path, *issue.path],
        message=issue.message,
        min=None if issue.minimum is None else SafeInt(issue.minimum),
        max=None if issue.maximum is None else SafeInt(issue.maximum),
    )
