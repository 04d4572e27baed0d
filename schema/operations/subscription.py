"""Subscriptions. Each sends the current state, then changes, and ends as schema.operations.stream_end describes."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import strawberry

from schema.context import Info
from schema.error_codes import RequestRefusedError
from schema.errors.types import BackendUnavailable, JobNotFound, UserError
from schema.operations.prime_stream import DEFAULT_BATCH, JobStopped, PrimeBatch, PrimeStreamEvent, stream_primes
from schema.operations.stream_end import with_reason
from schema.types.job import Job
from schema.types.node import JobId
from schema.types.system import SystemStats
from tasks import jobs

_MIN_INTERVAL_MS = 100
_MAX_INTERVAL_MS = 3_600_000


@strawberry.type(description="A newer state of a job.")
class JobUpdate:
    job: Job = strawberry.field(description="The job in its current state.")
    coalesced: int = strawberry.field(
        description="Number of intermediate changes skipped since the previous message on this stream."
    )


JobUpdateEvent = Annotated[
    JobUpdate | JobNotFound | BackendUnavailable,
    strawberry.union("JobUpdateEvent", description="A newer state, or the reason why there will be none."),
]


@strawberry.type(description="Live updates.")
class Subscription:
    @strawberry.subscription(
        graphql_type=JobUpdateEvent,
        description=(
            "Sends the current state, even if the job is already final, then each change, and completes after the "
            "final state. version strictly increases on one stream. Intermediate states may be skipped, the final "
            "one never is. An unknown id gets JobNotFound and completes. To resume, subscribe again."
        ),
    )
    def job_updates(
        self,
        info: Info,
        id: JobId,
        after_version: Annotated[
            int | None, strawberry.argument(description="Send only states with a higher version than this.")
        ] = None,
    ) -> AsyncGenerator[JobUpdate | UserError]:
        return with_reason(_updates(info.context.service.watch_job(id, after_version)))

    @strawberry.subscription(
        graphql_type=JobUpdateEvent,
        description="One event when the job is final (at once if it already is), then the stream completes.",
    )
    def job_completed(
        self,
        info: Info,
        id: JobId,
    ) -> AsyncGenerator[JobUpdate | UserError]:
        return with_reason(_updates(info.context.service.watch_job(id, final_only=True)))

    @strawberry.subscription(
        graphql_type=PrimeStreamEvent,
        description="The primes while they are computed, from fromIndex on, without gaps or repeats.",
    )
    def prime_stream(
        self,
        info: Info,
        id: JobId,
        from_index: Annotated[int, strawberry.argument(description="Zero-based index of the first value to send.")] = 0,
        max_batch: Annotated[
            int, strawberry.argument(description="Maximum number of values in one message, up to limits.maxPageSize.")
        ] = DEFAULT_BATCH,
    ) -> AsyncGenerator[PrimeBatch | JobStopped | UserError]:
        return with_reason(stream_primes(info, id, from_index, max_batch))

    @strawberry.subscription(description="Queue figures and active workers, sent at an interval. Never completes.")
    async def system_stats(
        self,
        info: Info,
        interval_ms: Annotated[
            int, strawberry.argument(description="Milliseconds between two messages, 100 to 3,600,000.")
        ] = 1000,
    ) -> AsyncGenerator[SystemStats]:
        if not _MIN_INTERVAL_MS <= interval_ms <= _MAX_INTERVAL_MS:
            raise RequestRefusedError(f"intervalMs is {interval_ms}, must be {_MIN_INTERVAL_MS} to {_MAX_INTERVAL_MS}")
        async with aclosing(info.context.system.watch_system_state(timedelta(milliseconds=interval_ms))) as states:
            async for state in states:
                yield SystemStats.of(state, info.context.system.subscribers)


async def _updates(updates: AsyncGenerator[jobs.JobUpdate]) -> AsyncGenerator[JobUpdate]:
    async with aclosing(updates):
        async for update in updates:
            yield JobUpdate(job=Job.of(update.job), coalesced=update.folded)
