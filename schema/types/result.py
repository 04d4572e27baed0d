"""A job's result: its primes by page, by index and by value."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self, cast

import numpy as np
import numpy.typing as npt
import strawberry

from schema.context import Info
from schema.errors.types import refusals
from schema.types.enums import describe_enum
from schema.types.pagination import After, Before, First, Last, Offset, PageArguments, PageInfo, encode_cursor
from schema.types.scalars import SafeInt
from tasks import jobs
from tasks.errors import BackendUnavailable
from tasks.exports.formats import ExportFormat, export
from tasks.instrumentation import metrics
from tasks.jobs import ResultState

_CURSOR = "prime"

describe_enum(
    ResultState,
    "ResultState",
    "How much of a result can be read.",
    EMPTY="Nothing yet.",
    PARTIAL="A prefix can be read: the job is running, has failed or was cancelled.",
    COMPLETE="All of it.",
    EXPIRED="The data's time-to-live has passed; the job is still known.",
)


describe_enum(
    ExportFormat,
    "DownloadFormat",
    "A file format; each file has one column, `prime`.",
    PARQUET="Apache Parquet, delta-coded: the smallest, for DuckDB, pandas, Polars and the like.",
    CSV="Comma-separated values with a header line.",
    NDJSON="One JSON object a line.",
)


@strawberry.type(description="A result as a file.")
class ResultDownload:
    """A result as a file."""

    job: strawberry.Private[jobs.Job]
    format: ExportFormat = strawberry.field(description="The file's format.")
    url: str = strawberry.field(description="Path on this origin; answers Range requests where the size is known.")
    content_type: str = strawberry.field(description="Its media type.")

    @strawberry.field(description="Its size; null where it is not known, the result having expired for instance.")
    async def byte_size(self, info: Info) -> SafeInt | None:
        """Its size."""
        try:
            source = await info.context.service.source(self.job)
            return None if source is None else SafeInt((await export(source, self.format)).size)
        except BackendUnavailable:
            return None


@strawberry.type(description="A prime and where it stands.")
class Prime:
    """A prime and where it stands."""

    index: int = strawberry.field(description="Zero-based position in the result.")
    value: SafeInt = strawberry.field(description="The prime itself.")


@strawberry.type(description="A prime in a page.")
class PrimeEdge:
    """A prime in a page."""

    cursor: str = strawberry.field(description="Opaque; stands for this index of this result, for ever.")
    node: Prime = strawberry.field(description="The prime.")


@strawberry.type(description="A slice of a result, in order.")
class PrimeConnection:
    """A slice of a result, in order."""

    job: strawberry.Private[jobs.Job]
    slice: strawberry.Private[range]
    found: strawberry.Private[npt.NDArray[np.uint64]]

    @strawberry.field(description="The primes with cursors. For large pages `values` is far cheaper.")
    def edges(self) -> list[PrimeEdge]:
        """One edge a prime."""
        return [
            PrimeEdge(cursor=encode_cursor(_CURSOR, index), node=Prime(index=index, value=SafeInt(value)))
            for index, value in enumerate(self.found.tolist(), self.slice.start)
        ]

    @strawberry.field(description="The same slice as plain numbers: far cheaper for large pages.")
    def values(self) -> list[SafeInt]:
        """The numbers alone."""
        return _numbers(self.found)

    @strawberry.field(description="Where this page stands among the primes readable now.")
    def page_info(self) -> PageInfo:
        """Where this page stands."""
        stop = self.slice.start + len(self.found)
        return PageInfo(
            has_next_page=stop < self.job.readable,
            has_previous_page=self.slice.start > 0 and self.job.readable > 0,
            start_cursor=encode_cursor(_CURSOR, self.slice.start) if len(self.found) else None,
            end_cursor=encode_cursor(_CURSOR, stop - 1) if len(self.found) else None,
        )

    @strawberry.field(description="Primes the job was asked for.")
    def total_count(self) -> int:
        """Primes asked for."""
        return self.job.count

    @strawberry.field(description="Primes readable now.")
    def available_count(self) -> int:
        """Primes readable now."""
        return self.job.readable

    @strawberry.field(description="Zero-based index of the first element of this slice.")
    def offset(self) -> int:
        """Where the slice begins."""
        return self.slice.start


@strawberry.type(description="What a job has found so far, or in all.")
class JobResult:
    """What a job has found."""

    job: strawberry.Private[jobs.Job]
    state: ResultState = strawberry.field(description="How much can be read.")
    available: int = strawberry.field(description="How many primes can be read right now: the completed prefix.")
    first: SafeInt | None = strawberry.field(description="The first prime; null until COMPLETE.")
    last: SafeInt | None = strawberry.field(description="The last prime; null until COMPLETE.")
    sha256: str | None = strawberry.field(
        description="Of the primes as little-endian unsigned 64-bit integers, in order; null until COMPLETE."
    )
    expires_at: datetime | None = strawberry.field(
        description="Until when the primes can be read; null until COMPLETE."
    )

    @classmethod
    def of(cls, job: jobs.Job) -> Self:
        """From the domain."""
        return cls(
            job=job,
            state=job.result_state,
            available=job.readable,
            first=None if job.first is None else SafeInt(job.first),
            last=None if job.last is None else SafeInt(job.last),
            sha256=job.sha256,
            expires_at=job.result_expires_at if job.status is jobs.JobStatus.SUCCEEDED else None,
        )

    @strawberry.field(description="The result as a file, in each format; empty until COMPLETE.")
    def downloads(self) -> list[ResultDownload]:
        """The result as a file."""
        return _downloads(self.job)

    @strawberry.field(description="A page of the primes. Without arguments, the first 100.")
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
        return await page_of_primes(self.job, info, PageArguments(first, after, last, before, offset))

    @strawberry.field(description="The prime at this zero-based index; null when not available (yet).")
    async def at(
        self, info: Info, index: Annotated[int, strawberry.argument(description="Zero-based position in the result.")]
    ) -> SafeInt | None:
        """The prime at an index."""
        with refusals():
            found = await info.context.service.primes(self.job, index, 1)
        metrics.record_served(len(found), "graphql")
        return SafeInt(int(found[0])) if len(found) else None

    @strawberry.field(description="Index of the first available prime >= value; null when there is none.")
    async def index_of(
        self, info: Info, value: Annotated[SafeInt, strawberry.argument(description="Any number, prime or not.")]
    ) -> int | None:
        """Where a value stands."""
        with refusals():
            return await info.context.service.index_of(self.job, value)


def _numbers(primes: npt.NDArray[np.uint64]) -> list[SafeInt]:
    return cast("list[SafeInt]", primes.tolist())


def _downloads(job: jobs.Job) -> list[ResultDownload]:
    if job.result_state is not ResultState.COMPLETE:
        return []
    return [
        ResultDownload(job=job, format=form, url=f"/jobs/{job.id}/primes.{form}", content_type=form.content_type)
        for form in ExportFormat
    ]


async def page_of_primes(job: jobs.Job, info: Info, arguments: PageArguments) -> PrimeConnection:
    """The slice of a job's primes that a caller's paging arguments name."""
    page = arguments.slice(_CURSOR, job.readable, info.context.bounds.max_page_size)
    with refusals():
        found = await info.context.service.primes(job, page.start, len(page))
    metrics.record_served(len(found), "graphql")
    return PrimeConnection(job=job, slice=page, found=found)
