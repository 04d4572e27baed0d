"""A job's result: its primes by page, by index and by value."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

import strawberry

from schema.context import Info
from schema.errors.codes import as_graphql_errors
from schema.types.enums import describe_enum
from schema.types.pagination import After, Before, First, Last, Offset, PageArguments
from schema.types.primes import PrimeConnection, page_of_primes
from schema.types.scalars import SafeInt
from tasks import jobs
from tasks.errors import BackendUnavailable
from tasks.exports.formats import ExportFormat
from tasks.jobs import ResultState

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
            file = await info.context.service.export_result(self.job, self.format)
            return None if file is None else SafeInt(file.size)
        except BackendUnavailable:
            return None


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
        with as_graphql_errors():
            found = await info.context.service.read_primes(self.job, index, 1)
        info.context.service.record_served(len(found), "graphql")
        return SafeInt(int(found[0])) if len(found) else None

    @strawberry.field(description="Index of the first available prime >= value; null when there is none.")
    async def index_of(
        self, info: Info, value: Annotated[SafeInt, strawberry.argument(description="Any number, prime or not.")]
    ) -> int | None:
        """Where a value stands."""
        with as_graphql_errors():
            return await info.context.service.find_index(self.job, value)


def _downloads(job: jobs.Job) -> list[ResultDownload]:
    if job.result_state is not ResultState.COMPLETE:
        return []
    return [
        ResultDownload(job=job, format=form, url=f"/jobs/{job.id}/primes.{form}", content_type=form.content_type)
        for form in ExportFormat
    ]
