"""The job as clients see it."""

from __future__ import annotations

from datetime import datetime
from typing import Optional, Self

import strawberry

from schema.context import Info
from schema.errors.codes import as_graphql_errors
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
    "RUNNING -> QUEUED when an attempt is lost. The last three are final.",
    QUEUED="Accepted and stored; waits for a worker.",
    RUNNING="A worker has claimed a part of it.",
    SUCCEEDED="Final: all primes are kept.",
    FAILED="Final: see failure for the reason.",
    CANCELLED="Final: ended by cancelJob.",
)
describe_enum(
    FailureReason,
    "JobFailureReason",
    "Why a job failed, for programs.",
    INTERNAL="A defect of the system; it was logged.",
    TIMEOUT="The job ran for longer than one may.",
    WORKER_LOST="Its workers died or fell silent, as often as attempts are allowed.",
    RESULT_STORE="The primes were found but could not be kept.",
)


@strawberry.type(description="Why a job failed.")
class JobFailure:
    """Why a job failed."""

    reason: FailureReason = strawberry.field(description="For programs.")
    message: str = strawberry.field(description="Safe to show; never a traceback.")
    retryable: bool = strawberry.field(description="Whether retryJob may succeed.")


@strawberry.type(description="How far a job is.")
class JobProgress:
    """How far a job is."""

    done: int = strawberry.field(description="Primes computed and kept.")
    total: int = strawberry.field(description="Primes asked for.")
    ratio: float = strawberry.field(description="done / total, from 0 to 1.")
    eta_ms: int | None = strawberry.field(
        description="Estimated time to the end, from the pace so far; null while unknown."
    )


@strawberry.type(description="A request for primes and what became of it.")
class Job(Node):
    """A request for primes and what became of it."""

    record: strawberry.Private[jobs.Job]
    id: strawberry.ID = strawberry.field(
        description="A UUID (version 7). The same string is the REST request_id and the node id."
    )
    status: JobStatus = strawberry.field(description="Where the job is in its life.")
    is_final: bool = strawberry.field(
        description="Whether it is SUCCEEDED, FAILED or CANCELLED: nothing changes any more."
    )
    version: int = strawberry.field(
        description="Rises with every visible change; the same number on every transport (query, subscription, ETag)."
    )
    count: int = strawberry.field(description="How many primes were asked for.")
    start: SafeInt = strawberry.field(description="The result is the first `count` primes >= start.")
    idempotency_key: str | None = strawberry.field(description="The key it was submitted with.")
    queue_position: int | None = strawberry.field(description="Jobs ahead, approximate; null unless QUEUED.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    started_at: datetime | None = strawberry.field(description="When a worker first took it up.")
    finished_at: datetime | None = strawberry.field(description="When it became final.")
    attempt: int = strawberry.field(
        description="1 for the first try; rises when a worker was lost and the work was taken up again."
    )
    max_attempts: int = strawberry.field(description="The job fails when this many attempts were lost.")
    trace_id: str | None = strawberry.field(
        description="W3C trace id shared by the submitting request, the queue hop and every attempt."
    )

    @classmethod
    def of(cls, job: jobs.Job) -> Self:
        """From the domain."""
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

    @strawberry.field(description="How far the job is.")
    def progress(self) -> JobProgress:
        """How far the job is."""
        job = self.record
        return JobProgress(
            done=job.done,
            total=job.count,
            ratio=job.done / job.count,
            eta_ms=None if job.remaining is None else milliseconds(job.remaining),
        )

    @strawberry.field(description="Milliseconds from submission to the first claim by a worker, or to now.")
    def queued_ms(self) -> int:
        """Time in the queue."""
        return milliseconds(self.record.queued_for)

    @strawberry.field(description="Milliseconds from the first claim to the end, or to now; null before it.")
    def run_ms(self) -> int | None:
        """Time at work."""
        return None if self.record.ran_for is None else milliseconds(self.record.ran_for)

    @strawberry.field(description="Why the job failed; null unless FAILED.")
    def failure(self) -> JobFailure | None:
        """Why the job failed."""
        failure = self.record.failure
        if failure is None:
            return None
        return JobFailure(reason=failure.reason, message=failure.message, retryable=failure.retryable)

    @strawberry.field(
        description="The job that this one tries again; null when it is none's retry or that one has expired."
    )
    async def retry_of(self, info: Info) -> Optional[Job]:  # noqa: UP045 - Strawberry can't evaluate Job | None here
        """The job that this one tries again."""
        if self.record.retry_of is None:
            return None
        with as_graphql_errors():
            original = await info.context.service.get_job(self.record.retry_of)
        return None if original is None else Job.of(original)

    @strawberry.field(description="What the job has found so far, or in all.")
    def result(self) -> JobResult:
        """What the job has found."""
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
        """A page of the primes."""
        return await page_of_primes(self.record, info, PageArguments(first, after, last, before, offset))
