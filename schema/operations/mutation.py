"""Mutations: one input, one union of results. A resolver unpacks, calls the service once and wraps."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from schema.context import Info
from schema.errors.convert import job_already_finished, job_not_retryable, user_error
from schema.errors.types import (
    BackendUnavailable,
    IdempotencyConflict,
    JobAlreadyFinished,
    JobNotFound,
    JobNotRetryable,
    QueueFull,
    RateLimited,
    ValidationError,
)
from schema.types.job import Job
from schema.types.node import JobId
from schema.types.scalars import SafeInt
from tasks import errors, jobs, requests


@strawberry.input(description="Which primes to generate.")
class GeneratePrimesInput:
    """Which primes to generate."""

    count: int = strawberry.field(description="How many primes, 1 to limits.maxCount.")
    start: SafeInt = strawberry.field(
        default=SafeInt(jobs.FIRST_PRIME), description="The result is the first `count` primes >= start."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description=(
            "1-128 visible ASCII characters. "
            "The same key with the same arguments returns the same job, whatever its status."
        ),
    )


@strawberry.enum(description="Whether a submission made a job or found one.")
class SubmissionOutcome(Enum):
    """Whether a submission made a job or found one."""

    CREATED = strawberry.enum_value("CREATED", description="A new job.")
    REPLAYED = strawberry.enum_value("REPLAYED", description="The job that the idempotency key stands for.")


@strawberry.type(description="The request was accepted: the job is stored and queued.")
class GeneratePrimesAccepted:
    """The request was accepted."""

    job: Job = strawberry.field(description="The job, as it is after waitMs at most.")
    outcome: SubmissionOutcome = strawberry.field(description="Whether the job is new.")


@strawberry.type(description="The job is CANCELLED.")
class CancelJobAccepted:
    """The job is CANCELLED."""

    job: Job = strawberry.field(description="The job as it ended.")


@strawberry.type(description="A new job was made.")
class RetryJobAccepted:
    """A new job was made."""

    job: Job = strawberry.field(description="The new job; its retryOf is the old one.")


GeneratePrimesResult = Annotated[
    GeneratePrimesAccepted | ValidationError | IdempotencyConflict | QueueFull | RateLimited | BackendUnavailable,
    strawberry.union("GeneratePrimesResult", description="A job, or why there is none."),
]
CancelJobResult = Annotated[
    CancelJobAccepted | JobNotFound | JobAlreadyFinished | BackendUnavailable,
    strawberry.union("CancelJobResult", description="The cancelled job, or why it was not cancelled."),
]
RetryJobResult = Annotated[
    RetryJobAccepted | JobNotFound | JobNotRetryable | QueueFull | RateLimited | BackendUnavailable,
    strawberry.union("RetryJobResult", description="The new job, or why there is none."),
]


@strawberry.type(description="What changes the system.")
class Mutation:
    """What changes the system."""

    @strawberry.mutation(
        description=(
            "Submit a job for the first `count` primes >= start. "
            "waitMs lets a small job come back finished in the same response; it never changes what is accepted."
        )
    )
    async def generate_primes(
        self,
        info: Info,
        input: Annotated[GeneratePrimesInput, strawberry.argument(description="Which primes.")],
        wait_ms: Annotated[
            int, strawberry.argument(description="How long to wait for the end at most; up to limits.maxWaitMs.")
        ] = 0,
    ) -> GeneratePrimesResult:
        """Submit a job."""
        service = info.context.service
        request = requests.PrimesRequest(input.count, input.start, input.idempotency_key)
        try:
            wait = info.context.wait(wait_ms)
        except errors.InvalidRequest as error:
            return user_error(error)
        try:
            submission = await service.submit_job(request)
        except errors.InvalidRequest as error:
            return user_error(error, "input")
        except (errors.IdempotencyConflict, errors.QueueFull, errors.RateLimited, errors.BackendUnavailable) as error:
            return user_error(error)
        job = await service.wait_for_update(submission.job, wait)
        outcome = SubmissionOutcome.REPLAYED if submission.replayed else SubmissionOutcome.CREATED
        return GeneratePrimesAccepted(job=Job.of(job), outcome=outcome)

    @strawberry.mutation(description="Final at once: whatever a worker still writes for this job is refused.")
    async def cancel_job(self, info: Info, id: JobId) -> CancelJobResult:
        """End a job at once."""
        try:
            return CancelJobAccepted(job=Job.of(await info.context.service.cancel_job(id)))
        except errors.TransitionRefused as error:
            return job_already_finished(error)
        except (errors.JobNotFound, errors.BackendUnavailable) as error:
            return user_error(error)

    @strawberry.mutation(
        description=(
            "A new job with the arguments of a FAILED or CANCELLED one; segments already kept are not computed again."
        )
    )
    async def retry_job(self, info: Info, id: JobId) -> RetryJobResult:
        """Try a job again."""
        try:
            return RetryJobAccepted(job=Job.of(await info.context.service.retry_job(id)))
        except errors.TransitionRefused as error:
            return job_not_retryable(error)
        except (errors.JobNotFound, errors.QueueFull, errors.RateLimited, errors.BackendUnavailable) as error:
            return user_error(error)
