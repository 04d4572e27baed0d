"""Expected failures as data: the union members of the contract. schema.errors.convert makes them."""

from __future__ import annotations

import strawberry

from schema.errors.codes import ErrorCode
from schema.telemetry import record_user_error
from schema.types.job import Job
from schema.types.scalars import SafeInt
from schema.types.system import QueueStats


@strawberry.interface(
    description=(
        "Shared by every expected failure: "
        "`... on UserError { code message retryable }` also catches those added later."
    )
)
class UserError:
    code: ErrorCode = strawberry.field(description="Which failure this is, for programs.")
    message: str = strawberry.field(description="What is wrong and what would be right, for people.")
    retryable: bool = strawberry.field(description="Whether the same request may succeed later.")

    def __post_init__(self) -> None:
        record_user_error(type(self).__name__)


@strawberry.type(description="What is wrong with one argument.")
class FieldIssue:
    path: list[str] = strawberry.field(description="The argument, from the outermost name inwards.")
    message: str = strawberry.field(description="The value and the bound it breaks.")
    min: SafeInt | None = strawberry.field(description="The smallest value that is accepted, where there is one.")
    max: SafeInt | None = strawberry.field(description="The largest value that is accepted, where there is one.")


@strawberry.type(description="The request is out of bounds; one issue for each argument that is.")
class ValidationError(UserError):
    issues: list[FieldIssue] = strawberry.field(description="What is wrong, argument by argument.")


@strawberry.type(description="No such job: it never existed, or it has expired.")
class JobNotFound(UserError):
    id: strawberry.ID = strawberry.field(description="The id that was asked for; a very long one is cut.")


@strawberry.type(description="The job is final already, so it can't be cancelled.")
class JobAlreadyFinished(UserError):
    job: Job = strawberry.field(description="The job as it ended.")


@strawberry.type(description="The job has neither failed nor been cancelled, so there is nothing to retry.")
class JobNotRetryable(UserError):
    job: Job = strawberry.field(description="The job as it is.")


@strawberry.type(description="The idempotency key already stands for a job with other arguments.")
class IdempotencyConflict(UserError):
    existing: Job = strawberry.field(description="The job that the key stands for.")


@strawberry.type(description="As many jobs are open as the system takes: try again later.")
class QueueFull(UserError):
    retry_after_ms: int = strawberry.field(description="When to try again at the earliest, in milliseconds.")
    queue: QueueStats = strawberry.field(description="How full the system is.")


@strawberry.type(description="This caller's share is used up: try again later.")
class RateLimited(UserError):
    retry_after_ms: int = strawberry.field(description="When to try again at the earliest, in milliseconds.")


@strawberry.type(
    description="The job store did not answer. Nothing was acknowledged; with an idempotency key, repeating is safe."
)
class BackendUnavailable(UserError):
    retry_after_ms: int = strawberry.field(description="When to try again at the earliest, in milliseconds.")
