"""Mutations: one input, one union of results. A resolver unpacks, calls the service once and wraps the reply."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import strawberry

from schema.context import Info
from schema.errors.convert import user_error
from schema.errors.types import (
    BackendUnavailable,
    IdempotencyConflict,
    JobAlreadyFinished,
    JobNotFound,
    JobNotRetryable,
    QueueFull,
    RateLimited,
    UserError,
    ValidationError,
)
from schema.types.job import Job
from schema.types.node import JobId
from schema.types.scalars import SafeInt
from tasks import jobs, requests
from tasks.errors import JobError


@strawberry.input(description="Which primes to generate.")
class GeneratePrimesInput:
    count: int = strawberry.field(description="Number of primes, 1 to limits.maxCount.")
    start: SafeInt = strawberry.field(
        default=SafeInt(jobs.FIRST_PRIME), description="The result is the first `count` primes >= start."
    )
    idempotency_key: str | None = strawberry.field(
        default=None,
        description=(
            "1-128 visible ASCII characters. The same key with the same arguments returns the same job, in any status."
        ),
    )


@strawberry.enum(description="Whether a submission created a job or found one.")
class SubmissionOutcome(Enum):
    CREATED = strawberry.enum_value("CREATED", description="A new job was created.")
    REPLAYED = strawberry.enum_value(
        "REPLAYED", description="The job that was submitted earlier with the same idempotency key."
    )


@strawberry.type(description="The request was accepted: the job is stored and queued.")
class GeneratePrimesAccepted:
    job: Job = strawberry.field(description="The job when it became final, or after waitMs.")
    outcome: SubmissionOutcome = strawberry.field(
        description="Whether the job is new or was found by its idempotency key."
    )


@strawberry.type(description="The job is CANCELLED.")
class CancelJobAccepted:
    job: Job = strawberry.field(description="The job in its final state.")


@strawberry.type(description="A new job was submitted.")
class RetryJobAccepted:
    job: Job = strawberry.field(description="The new job. Its retryOf is the old one.")


GeneratePrimesResult = Annotated[
    GeneratePrimesAccepted | ValidationError | IdempotencyConflict | QueueFull | RateLimited | BackendUnavailable,
    strawberry.union("GeneratePrimesResult", description="The job, or the reason why none was created."),
]
CancelJobResult = Annotated[
    CancelJobAccepted | JobNotFound | JobAlreadyFinished | BackendUnavailable,
    strawberry.union("CancelJobResult", description="The cancelled job, or the reason why it was not cancelled."),
]
RetryJobResult = Annotated[
    RetryJobAccepted | JobNotFound | JobNotRetryable | QueueFull | RateLimited | BackendUnavailable,
    strawberry.union("RetryJobResult", description="The new job, or the reason why none was created."),
]


@strawberry.type(description="Operations that change jobs.")
class Mutation:
    @strawberry.mutation(
        graphql_type=GeneratePrimesResult,
        description=(
            "Submit a job for the first `count` primes >= start. "
            "With waitMs, the response can have the finished job. waitMs never changes what is accepted."
        ),
    )
    async def generate_primes(
        self,
        info: Info,
        input: Annotated[GeneratePrimesInput, strawberry.argument(description="Which primes to generate.")],
        wait_ms: Annotated[
            int,
            strawberry.argument(
                description="Maximum milliseconds to wait for the final state, up to limits.maxWaitMs."
            ),
        ] = 0,
    ) -> GeneratePrimesAccepted | UserError:
        service = info.context.service
        request = requests.PrimesRequest(input.count, input.start, input.idempotency_key)
        try:
            wait = info.context.wait(wait_ms)
        except JobError as error:
            return user_error(error)
        try:
            submission = await service.submit_job(request)
        except JobError as error:
            return user_error(error, "input")
        # Accepted in any case, even if it has expired meanwhile.
        job = await service.wait_for_update(submission.job, wait) or submission.job
        outcome = SubmissionOutcome.REPLAYED if submission.replayed else SubmissionOutcome.CREATED
        return GeneratePrimesAccepted(job=Job.of(job), outcome=outcome)

    @strawberry.mutation(
        graphql_type=CancelJobResult,
        description="Cancel a job. It is final at once: later writes by workers are refused.",
    )
    async def cancel_job(self, info: Info, id: JobId) -> CancelJobAccepted | UserError:
        try:
            return CancelJobAccepted(job=Job.of(await info.context.service.cancel_job(id)))
        except JobError as error:
            return user_error(error)

    @strawberry.mutation(
        graphql_type=RetryJobResult,
        description=(
            "Submit a new job with the arguments of a FAILED or CANCELLED one. Stored segments are not computed again."
        ),
    )
    async def retry_job(self, info: Info, id: JobId) -> RetryJobAccepted | UserError:
        try:
            return RetryJobAccepted(job=Job.of(await info.context.service.retry_job(id)))
        except JobError as error:
            return user_error(error)
