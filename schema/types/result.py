"""A job's result: its state, its downloads, and its primes by page, by index and by value."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Self

import strawberry

from schema.context import Info
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
    EMPTY="No prime can be read yet.",
    PARTIAL="A prefix can be read. The job is running, has failed or was cancelled.",
    COMPLETE="All primes can be read.",
    EXPIRED="The primes have expired. The job record still exists.",
)


describe_enum(
    ExportFormat,
    "DownloadFormat",
    "File format of a download. Each file has one column, `prime`.",
    PARQUET="Apache Parquet, delta-encoded: the smallest. Read by DuckDB, pandas, Polars and others.",
    CSV="Comma-separated values with a header line.",
    NDJSON="One JSON object per line.",
)


@strawberry.type(description="A download of a result as a file.")
class ResultDownload:
    job: strawberry.Private[jobs.Job]
    format: ExportFormat = strawberry.field(description="File format.")
    url: str = strawberry.field(description="Path on this origin. Supports Range requests if the size is known.")
    content_type: str = strawberry.field(description="Media type of the file.")

    @strawberry.field(description="Size in bytes. Null if unknown, for example after the result has expired.")
    async def byte_size(self, info: Info) -> SafeInt | None:
        try:
            file = await info.context.service.export_result(self.job, self.format)
            return None if file is None else SafeInt(file.size)
        except BackendUnavailable:
            return None


@strawberry.type(description="What a job has found so far, or in all.")
class JobResult:
    job: strawberry.Private[jobs.Job]
    state: ResultState = strawberry.field(description="How much of the result can be read.")
    available: int = strawberry.field(description="Number of primes that can be read now: the completed prefix.")
    first: SafeInt | None = strawberry.field(description="The first prime. Null until COMPLETE.")
    last: SafeInt | None = strawberry.field(description="The last prime. Null until COMPLETE.")
    expires_at: datetime | None = strawberry.field(description="When the primes expire. Null until COMPLETE.")

    @classmethod
    def of(cls, job: jobs.Job) -> Self:
        return cls(
            job=job,
            state=job.result_state,
            available=job.readable,
            first=None if job.first is None else SafeInt(job.first),
            last=None if job.last is None else SafeInt(job.last),
            expires_at=job.result_expires_at if job.status is jobs.JobStatus.SUCCEEDED else None,
        )

    @strawberry.field(
        description="SHA-256 over the concatenated SHA-256 digests (32 bytes each) of the result's segments of 2^20 "
        "primes, in order; the last may be shorter. A segment's digest is over its primes as little-endian unsigned "
        "64-bit integers. Null until COMPLETE."
    )
    def sha256(self) -> str | None:
        return self.job.sha256

    @strawberry.field(description="The result as a file in each format. Empty until COMPLETE.")
    def downloads(self, info: Info) -> list[ResultDownload]:
        return _downloads(self.job, f"{info.context.path_prefix}/jobs/{self.job.id}")

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
        return await page_of_primes(self.job, info, PageArguments(first, after, last, before, offset))

    @strawberry.field(description="The prime at this zero-based index. Null if it is not available (yet).")
    async def at(
        self, info: Info, index: Annotated[int, strawberry.argument(description="Zero-based position in the result.")]
    ) -> SafeInt | None:
        found = await info.context.service.read_primes(self.job, index, 1)
        info.context.service.record_primes_served(len(found), "graphql")
        return SafeInt(int(found[0])) if len(found) else None

    @strawberry.field(description="Index of the first available prime >= value. Null if no such prime is available.")
    async def index_of(
        self, info: Info, value: Annotated[SafeInt, strawberry.argument(description="Any number, prime or not.")]
    ) -> int | None:
        return await info.context.service.find_index(self.job, value)


def _downloads(job: jobs.Job, folder: str) -> list[ResultDownload]:
    if job.result_state is not ResultState.COMPLETE:
        return []
    return [
        ResultDownload(job=job, format=form, url=f"{folder}/primes.{form}", content_type=form.content_type)
        for form in ExportFormat
    ]
