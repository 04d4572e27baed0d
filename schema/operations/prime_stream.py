"""The subscription primeStream: batches of a job's primes, each continuing where the previous one ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import strawberry

from schema.error_codes import RequestRefusedError
from schema.errors.types import BackendUnavailable, JobNotFound
from schema.types.job import Job
from schema.types.scalars import SafeInt
from tasks import jobs

if TYPE_CHECKING:
    from schema.context import Info

# Primes read at a time, then sent in batches: the cost of a read depends on the length of the result, not of the part.
# A subscriber that stops reading holds an eighth of a megabyte.
_BLOCK_PRIMES = 16_384

# Values. A default is reduced to the maximum page size if that is smaller, rather than refused.
DEFAULT_BATCH = 1_000


@strawberry.type(description="The next values of a result.")
class PrimeBatch:
    offset: int = strawberry.field(description="Zero-based index of the first value.")
    values: list[SafeInt] = strawberry.field(description="The primes, in order.")
    available_count: int = strawberry.field(
        description="Number of primes that could be read when this message was sent."
    )
    total_count: int = strawberry.field(description="Number of primes requested.")
    is_last: bool = strawberry.field(description="Whether the stream completes after this batch.")


@strawberry.type(
    description=(
        "The job failed or was cancelled, or its primes have expired. All available primes were sent before this."
    )
)
class JobStopped:
    job: Job = strawberry.field(description="The job in its final state.")


PrimeStreamEvent = Annotated[
    PrimeBatch | JobStopped | JobNotFound | BackendUnavailable,
    strawberry.union("PrimeStreamEvent", description="More values, or the reason why there will be no more."),
]


async def stream_primes(
    info: Info, job_id: str, from_index: int, max_batch: int
) -> AsyncGenerator[PrimeBatch | JobStopped]:
    """A job's primes from an index on, at most `max_batch` at a time, until the job is final and all of them are sent.

    Raises:
        RequestRefusedError: an argument is out of bounds.
        JobNotFound, BackendUnavailable: as JobService.watch_job and JobService.read_primes.
    """
    max_batch = _checked(info, from_index, max_batch)
    service, position = info.context.service, from_index
    async with aclosing(service.watch_job(job_id)) as updates:
        async for update in updates:
            job = update.job
            while position < job.readable:
                block = await service.read_primes(job, position, _BLOCK_PRIMES)
                if not block.size:
                    break
                for start in range(0, block.size, max_batch):
                    values = block[start : start + max_batch].tolist()
                    yield _batch(job, position, values)
                    service.record_primes_served(len(values), "graphql")
                    position += len(values)
                    # Sending suspends for slow readers only: without this, a fast one would block the event loop.
                    await asyncio.sleep(0)
            # A succeeded job whose primes have expired stopped, too: the last batch is missing. A failed one is
            # reported even if fromIndex is beyond the end.
            if job.status.is_final and (position < job.count or job.status is not jobs.JobStatus.SUCCEEDED):
                yield JobStopped(job=Job.of(job))


def _batch(job: jobs.Job, offset: int, values: list[SafeInt]) -> PrimeBatch:
    return PrimeBatch(
        offset=offset,
        values=values,
        available_count=job.readable,
        total_count=job.count,
        is_last=offset + len(values) == job.count,
    )


def _checked(info: Info, from_index: int, max_batch: int) -> int:
    """The maximum number of values in a message."""
    largest = info.context.limits.max_page_size
    if from_index < 0:
        raise RequestRefusedError(f"fromIndex is {from_index}, must be 0 or more")
    if max_batch != DEFAULT_BATCH and not 1 <= max_batch <= largest:
        raise RequestRefusedError(f"maxBatch is {max_batch}, must be 1 to {largest}")
    return min(max_batch, largest)
