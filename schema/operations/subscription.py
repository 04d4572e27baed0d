"""Subscriptions: state first, then changes, then the end. Each stream ends by itself, and says why.

`finally` of the service's streams runs when a client leaves: nothing is left behind for one that is gone.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from typing import Annotated

import strawberry

from schema.context import Info
from schema.errors.codes import RequestRefusedError
from schema.errors.convert import user_error
from schema.errors.types import BackendUnavailable, JobNotFound
from schema.operations.prime_stream import DEFAULT_BATCH, PrimeStreamEvent, stream_primes
from schema.types.job import Job
from schema.types.node import JobId
from schema.types.system import SystemStats
from tasks import errors

_SHORTEST_INTERVAL_MS = 100
_LONGEST_INTERVAL_MS = 3_600_000


@strawberry.type(description="A job's newer state.")
class JobUpdate:
    """A job's newer state."""

    job: Job = strawberry.field(description="The job as it is now.")
    coalesced: int = strawberry.field(
        description="Changes folded into this message since the previous one on this stream."
    )


JobUpdateEvent = Annotated[
    JobUpdate | JobNotFound | BackendUnavailable,
    strawberry.union("JobUpdateEvent", description="A newer state, or why there will be none."),
]


@strawberry.type(description="What can be followed.")
class Subscription:
    """What can be followed."""

    @strawberry.subscription(
        description=(
            "The current state first, even when the job is already final; then changes; then the stream completes. "
            "version strictly rises on one stream; in-between states may be folded, the final one never is. "
            "An unknown id gets JobNotFound and completes. To resume, subscribe again."
        )
    )
    async def job_updates(
        self,
        info: Info,
        id: JobId,
        after_version: Annotated[
            int | None, strawberry.argument(description="What was seen already: only newer states come.")
        ] = None,
    ) -> AsyncGenerator[JobUpdateEvent]:
        """A job's states."""
        previous = after_version
        async with aclosing(info.context.service.watch_job(id, after_version)) as states:
            try:
                async for job in states:
                    coalesced = 0 if previous is None else max(0, job.version - previous - 1)
                    previous = job.version
                    yield JobUpdate(job=Job.of(job), coalesced=coalesced)
            except (errors.JobNotFound, errors.BackendUnavailable) as error:
                yield user_error(error)

    @strawberry.subscription(description="One event, when the job is final (at once if it already is), then completes.")
    async def job_completed(
        self,
        info: Info,
        id: JobId,
    ) -> AsyncGenerator[JobUpdateEvent]:
        """A job's final state."""
        first = None
        async with aclosing(info.context.service.watch_job(id)) as states:
            try:
                async for job in states:
                    first = job.version if first is None else first
                    if job.status.is_final:
                        yield JobUpdate(job=Job.of(job), coalesced=max(0, job.version - first))
            except (errors.JobNotFound, errors.BackendUnavailable) as error:
                yield user_error(error)

    @strawberry.subscription(
        description="The values themselves while they are found, from fromIndex on, without gap or repeat."
    )
    async def prime_stream(
        self,
        info: Info,
        id: JobId,
        from_index: Annotated[int, strawberry.argument(description="Zero-based index of the first value wanted.")] = 0,
        max_batch: Annotated[
            int, strawberry.argument(description="Most values in one message, as far as limits.maxPageSize allows.")
        ] = DEFAULT_BATCH,
    ) -> AsyncGenerator[PrimeStreamEvent]:
        """A job's primes."""
        async with aclosing(stream_primes(info, id, from_index, max_batch)) as batches:
            async for event in batches:
                yield event

    @strawberry.subscription(description="How full the system is, and who works, again and again. Never completes.")
    async def system_stats(
        self,
        info: Info,
        interval_ms: Annotated[
            int, strawberry.argument(description="Time between two messages, 100 to 3,600,000 milliseconds.")
        ] = 1000,
    ) -> AsyncGenerator[SystemStats]:
        """How full the system is, again and again."""
        if not _SHORTEST_INTERVAL_MS <= interval_ms <= _LONGEST_INTERVAL_MS:
            raise RequestRefusedError(
                f"intervalMs is {interval_ms}, must be {_SHORTEST_INTERVAL_MS} to {_LONGEST_INTERVAL_MS}"
            )
        async with aclosing(info.context.service.watch_system_state(timedelta(milliseconds=interval_ms))) as states:
            async for state in states:
                yield SystemStats.of(state, info.context.service.subscribers)
