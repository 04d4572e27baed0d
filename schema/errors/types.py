"""Expected failures as data: the union members of the contract. schema.errors.convert makes them."""

from __future__ import annotations

import strawberry

from schema.error_codes import ErrorCode
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
    code: ErrorCode = strawberry.field(description="Machine-readable error code.")
    message: str = strawberry.field(description="Human-readable message: what is wrong, and what would be valid.")
    retryable: bool = strawberry.field(description="Whether the same request can succeed later.")


@strawberry.type(description="One invalid argument.")
class FieldIssue:
    path: list[str] = strawberry.field(description="Path to the argument, outermost name first.")
    message: str = strawberry.field(description="The value, and the bound that it violates.")
    min: SafeInt | None = strawberry.field(description="Smallest valid value. Null if unlimited.")
    max: SafeInt | None = strawberry.field(description="Largest valid value. Null if unlimited.")


@strawberry.type(description="The request is invalid, with one issue for each invalid argument.")
class ValidationError(UserError):
    issues: list[FieldIssue] = strawberry.field(description="One issue for each invalid argument.")


@strawberry.type(description="The job does not exist or has expired.")
class JobNotFound(UserError):
    id: strawberry.ID = strawberry.field(description="The requested id, truncated if it is very long.")


@strawberry.type(description="The job is already final and cannot be cancelled.")
class JobAlreadyFinished(UserError):
    job: Job = strawberry.field(description="The job in its final state.")


@strawberry.type(description="The job has neither failed nor been cancelled, so it cannot be retried.")
class JobNotRetryable(UserError):
    job: Job = strawberry.field(description="The job in its current state.")


@strawberry.type(description="The idempotency key was already used for a job with other arguments.")
class IdempotencyConflict(UserError):
    existing: Job = strawberry.field(description="The job that was submitted with the key.")


@strawberry.type(description="The queue is full. Try again later.")
class QueueFull(UserError):
    retry_after_ms: int = strawberry.field(description="Milliseconds to wait before trying again.")
    queue: QueueStats = strawberry.field(description="Queue figures: open jobs, capacity and waiting times.")


@strawberry.type(description="The caller has exceeded its rate limit or quota. Try again later.")
class RateLimited(UserError):
    retry_after_ms: int = strawberry.field(description="Milliseconds to wait before trying again.")


@strawberry.type(
    description="The job store is unavailable. Nothing was acknowledged. Repeating is safe with an idempotency key."
)
class BackendUnavailable(UserError):
    retry_after_ms: int = strawberry.field(description="Milliseconds to wait before trying again.")
