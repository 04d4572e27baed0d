"""The type Job."""

from __future__ import annotations

from datetime import datetime
from typing import Optional, Self

import strawberry

from schema.context import Info
from schema.types.enums import describe_enum
from schema.types.node import Node
from schema.types.pagination import After, Before, First, Last, Offset, PageArguments
from schema.types.primes import PrimeConnection, page_of_primes
from schema.types.result import JobResult
from schema.types.scalars import SafeInt, milliseconds
from tasks import jobs
from tasks.jobs import FailureReason, JobStatus

describe_enum(
    JobStatus,
    "JobStatus",
    "QUEUED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED. QUEUED -> CANCELLED. "
    "RUNNING -> QUEUED when an attempt is lost. SUCCEEDED, FAILED and CANCELLED are final.",
    QUEUED="Accepted and stored, waiting for a worker.",
    RUNNING="A worker has claimed a part of the job.",
    SUCCEEDED="Final: all primes are computed and stored.",
    FAILED="Final: failure has the reason.",
    CANCELLED="Final: ended by cancelJob.",
)
describe_enum(
    FailureReason,
    "JobFailureReason",
    "Machine-readable reason why a job failed.",
    INTERNAL="An unexpected error, which was logged.",
    TIMEOUT="The job exceeded its time limit.",
    WORKER_LOST="Workers died or stopped sending heartbeats in each of maxAttempts attempts.",
    RESULT_STORE="The primes were computed but could not be stored.",
)


@strawberry.type(description="Why a job failed.")
class JobFailure:
    reason: FailureReason = strawberry.field(description="Machine-readable reason.")
    message: str = strawberry.field(description="Message that is safe to display. Never a traceback.")
    retryable: bool = strawberry.field(description="Whether retryJob can succeed.")


@strawberry.type(description="Progress of a job.")
class JobProgress:
    done: int = strawberry.field(description="Number of primes computed and stored.")
    total: int = strawberry.field(description="Number of primes requested.")
    ratio: float = strawberry.field(description="done / total, from 0 to 1.")
    eta_ms: int | None = strawberry.field(
        description="Estimated milliseconds until the job ends, from its rate so far. Null while unknown."
    )


@strawberry.type(description="A request for primes, with its state and result.")
class Job(Node):
    record: strawberry.Private[jobs.Job]
    id: strawberry.ID = strawberry.field(
        description="A UUID (version 7). The same string is the REST request_id and the node id."
    )
    status: JobStatus = strawberry.field(description="Current status.")
    is_final: bool = strawberry.field(
        description="Whether the status is SUCCEEDED, FAILED or CANCELLED. A final job never changes."
    )
    version: int = strawberry.field(
        description="Increases with every visible change. The same on every transport (query, subscription, ETag)."
    )
    count: int = strawberry.field(description="Number of primes requested.")
    start: SafeInt = strawberry.field(description="The result is the first `count` primes >= start.")
    idempotency_key: str | None = strawberry.field(description="Idempotency key of the submission.")
    queue_position: int | None = strawberry.field(
        description="Approximate number of jobs ahead in the queue. Null unless QUEUED."
    )
    created_at: datetime = strawberry.field(description="When the job was accepted.")
    started_at: datetime | None = strawberry.field(description="When a worker first claimed a part of the job.")
    finished_at: datetime | None = strawberry.field(description="When the job became final.")
    attempt: int = strawberry.field(
        description="Number of the current attempt, from 1. Increases when lost work is claimed again."
    )
    max_attempts: int = strawberry.field(description="Number of lost attempts after which the job fails.")
    trace_id: str | None = strawberry.field(
        description="W3C trace id shared by the submitting request, the queue hop and every attempt."
    )

    @classmethod
    def of(cls, job: jobs.Job) -> Self:
        return cls(
            record=job,
            id=strawberry.ID(job.id),
            status=job.status,
            is_final=job.status.is_final,
            version=job.version,
            count=job.count,
            start=SafeInt(job.start),
            idempotency_key=job.idempotency_key,
            queue_position=job.queue_position,
            created_at=job.created_at,
            started_at=job.started_at,
            finished_at=job.finished_at,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            trace_id=job.traceparent.split("-")[1] if job.traceparent else None,
        )

    @strawberry.field(description="Progress of the job.")
    def progress(self) -> JobProgress:
        job = self.record
        return JobProgress(
            done=job.done,
            total=job.count,
            ratio=job.done / job.count,
            eta_ms=None if job.remaining is None else milliseconds(job.remaining),
        )

    @strawberry.field(description="Milliseconds from submission to the first claim by a worker, or until now.")
    def queued_ms(self) -> int:
        return milliseconds(self.record.queued_for)

    @strawberry.field(
        description="Milliseconds from the first claim to the final state, or until now. Null before the first claim."
    )
    def run_ms(self) -> int | None:
        return None if self.record.ran_for is None else milliseconds(self.record.ran_for)

    @strawberry.field(description="Why the job failed. Null unless FAILED.")
    def failure(self) -> JobFailure | None:
        failure = self.record.failure
        if failure is None:
            return None
        return JobFailure(reason=failure.reason, message=failure.message, retryable=failure.retryable)

    @strawberry.field(
        description="The job that this one retries. Null if this is not a retry, or if that job has expired."
    )
    async def retry_of(self, info: Info) -> Optional[Job]:  # noqa: UP045 - Strawberry can't evaluate Job | None here
        if self.record.retry_of is None:
            return None
        original = await info.context.service.get_job(self.record.retry_of)
        return None if original is None else Job.of(original)

    @strawberry.field(description="The result, as far as it has been computed.")
    def result(self) -> JobResult:
        return JobResult.of(self.record)

    @strawberry.field(description="Shorthand for result.primes.")
    async def primes(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        offset: Offset = None,
    ) -> PrimeConnection:
        return await page_of_primes(self.record, info, PageArguments(first, after, last, before, offset))
