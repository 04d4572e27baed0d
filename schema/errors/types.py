"""Expected failures as data: the union members of the contract, and the one table from the service's errors to them.

What a field without a union refuses (a page too large, a wait too long) is a GraphQL error with a code. Anything else
that is raised is a defect: it is logged, and masked by schema.errors.masking.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Self

import strawberry
from graphql import GraphQLError

from schema.telemetry import note_user_error
from schema.types.scalars import SafeInt
from tasks import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from schema.types.job import Job
    from schema.types.system import QueueStats

_JobRef = Annotated["Job", strawberry.lazy("schema.types.job")]
_QueueStatsRef = Annotated["QueueStats", strawberry.lazy("schema.types.system")]


@strawberry.enum(description="Which expected failure this is, for programs.")
class ErrorCode(Enum):
    """Which expected failure this is."""

    VALIDATION = strawberry.enum_value("VALIDATION", description="An argument is out of bounds.")
    JOB_NOT_FOUND = strawberry.enum_value("JOB_NOT_FOUND", description="No such job: never existed, or expired.")
    JOB_ALREADY_FINISHED = strawberry.enum_value("JOB_ALREADY_FINISHED", description="The job is final already.")
    JOB_NOT_RETRYABLE = strawberry.enum_value(
        "JOB_NOT_RETRYABLE", description="Only a FAILED or CANCELLED job can be retried."
    )
    IDEMPOTENCY_CONFLICT = strawberry.enum_value(
        "IDEMPOTENCY_CONFLICT", description="The key stands for a job with other arguments."
    )
    QUEUE_FULL = strawberry.enum_value("QUEUE_FULL", description="As many jobs are open as the system takes.")
    RATE_LIMITED = strawberry.enum_value("RATE_LIMITED", description="This caller's share is used up.")
    BACKEND_UNAVAILABLE = strawberry.enum_value(
        "BACKEND_UNAVAILABLE", description="The job store did not answer; nothing was acknowledged."
    )


@strawberry.interface(
    description=(
        "Shared by every expected failure: "
        "`... on UserError { code message retryable }` also catches those added later."
    )
)
class UserError:
    """Shared by every expected failure."""

    code: ErrorCode = strawberry.field(description="Which failure this is, for programs.")
    message: str = strawberry.field(description="What is wrong and what would be right, for people.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")

    def __post_init__(self) -> None:
        """Made to be answered: the operation did not go as asked."""
        note_user_error(type(self).__name__)


@strawberry.type(description="What is wrong with one argument.")
class FieldIssue:
    """What is wrong with one argument."""

    path: list[str] = strawberry.field(description="The argument, from the outermost name inwards.")
    message: str = strawberry.field(description="The value and the bound it breaks.")
    min: SafeInt | None = strawberry.field(description="The smallest value that is accepted, where there is one.")
    max: SafeInt | None = strawberry.field(description="The largest value that is accepted, where there is one.")


@strawberry.type(description="The request is out of bounds; one issue for each argument that is.")
class ValidationError(UserError):
    """The request is out of bounds."""

    issues: list[FieldIssue] = strawberry.field(description="What is wrong, argument by argument.")

    @classmethod
    def of(cls, error: errors.InvalidRequest, *within: str) -> Self:
        """The data of an error; `within` is where the fields are in the GraphQL arguments."""
        issues = [
            FieldIssue(
                path=[*within, *issue.path],
                message=issue.message,
                min=None if issue.minimum is None else SafeInt(issue.minimum),
                max=None if issue.maximum is None else SafeInt(issue.maximum),
            )
            for issue in error.issues
        ]
        return cls(code=ErrorCode.VALIDATION, message=str(error), retryable=False, issues=issues)


@strawberry.type(description="No such job: it never existed, or it has expired.")
class JobNotFound(UserError):
    """No such job."""

    id: strawberry.ID = strawberry.field(description="The id that was asked for; a very long one is cut.")

    @classmethod
    def of(cls, error: errors.JobNotFound) -> Self:
        """The data of an error."""
        return cls(code=ErrorCode.JOB_NOT_FOUND, message=str(error), retryable=False, id=strawberry.ID(error.job_id))


@strawberry.type(description="The job is final already, so it can't be cancelled.")
class JobAlreadyFinished(UserError):
    """The job is final already."""

    job: _JobRef = strawberry.field(description="The job as it ended.")

    @classmethod
    def of(cls, error: errors.TransitionRefused) -> Self:
        """The data of an error."""
        return cls(code=ErrorCode.JOB_ALREADY_FINISHED, message=str(error), retryable=False, job=_job(error.job))


@strawberry.type(description="The job has neither failed nor been cancelled, so there is nothing to retry.")
class JobNotRetryable(UserError):
    """The job can't be retried."""

    job: _JobRef = strawberry.field(description="The job as it is.")

    @classmethod
    def of(cls, error: errors.TransitionRefused) -> Self:
        """The data of an error."""
        return cls(code=ErrorCode.JOB_NOT_RETRYABLE, message=str(error), retryable=False, job=_job(error.job))


@strawberry.type(description="The idempotency key already stands for a job with other arguments.")
class IdempotencyConflict(UserError):
    """The idempotency key is taken."""

    existing: _JobRef = strawberry.field(description="The job that the key stands for.")

    @classmethod
    def of(cls, error: errors.IdempotencyConflict) -> Self:
        """The data of an error."""
        return cls(
            code=ErrorCode.IDEMPOTENCY_CONFLICT, message=str(error), retryable=False, existing=_job(error.existing)
        )


@strawberry.type(description="As many jobs are open as the system takes: try again later.")
class QueueFull(UserError):
    """As many jobs are open as the system takes."""

    retry_after_ms: int = strawberry.field(description="When to try again at the earliest, in milliseconds.")
    queue: _QueueStatsRef = strawberry.field(description="How full the system is.")

    @classmethod
    def of(cls, error: errors.QueueFull) -> Self:
        """The data of an error."""
        from schema.types.system import QueueStats  # noqa: PLC0415 - the types refer to each other

        return cls(
            code=ErrorCode.QUEUE_FULL,
            message=str(error),
            retryable=True,
            retry_after_ms=milliseconds(error.retry_after),
            queue=QueueStats.of(error.queue),
        )


@strawberry.type(description="This caller's share is used up: try again later.")
class RateLimited(UserError):
    """This caller's share is used up."""

    retry_after_ms: int = strawberry.field(description="When to try again at the earliest, in milliseconds.")

    @classmethod
    def of(cls, error: errors.RateLimited) -> Self:
        """The data of an error."""
        return cls(
            code=ErrorCode.RATE_LIMITED,
            message=str(error),
            retryable=True,
            retry_after_ms=milliseconds(error.retry_after),
        )


@strawberry.type(
    description="The job store did not answer. Nothing was acknowledged; with an idempotency key, repeating is safe."
)
class BackendUnavailable(UserError):
    """The job store did not answer."""

    retry_after_ms: int = strawberry.field(description="When to try again at the earliest, in milliseconds.")

    @classmethod
    def of(cls, error: errors.BackendUnavailable) -> Self:
        """The data of an error."""
        return cls(
            code=ErrorCode.BACKEND_UNAVAILABLE,
            message=str(error),
            retryable=True,
            retry_after_ms=milliseconds(error.retry_after),
        )


class RequestRefused(GraphQLError):
    """A field that has no union of results was asked for something out of bounds, or can't answer now."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.VALIDATION) -> None:
        super().__init__(message, extensions={"code": code.value})


@contextmanager
def refusals() -> Iterator[None]:
    """Around what a field without a union asks of the service, wherever in a query it stands."""
    try:
        yield
    except errors.InvalidRequest as error:
        raise RequestRefused(str(error)) from error
    except errors.BackendUnavailable as error:
        raise RequestRefused(str(error), ErrorCode.BACKEND_UNAVAILABLE) from error


def milliseconds(duration: timedelta) -> int:
    """A duration as the contract has it."""
    return round(duration / timedelta(milliseconds=1))


def _job(job: object) -> Job:
    from schema.types.job import Job  # noqa: PLC0415 - the types refer to each other

    return Job.of(job)  # type: ignore[arg-type]
