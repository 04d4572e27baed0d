"""The primes of a result, as pages: a Relay connection."""

from __future__ import annotations

from typing import cast

import numpy as np
import numpy.typing as npt
import strawberry

from schema.context import Info
from schema.types.pagination import PageArguments, PageInfo, encode_cursor
from schema.types.scalars import SafeInt
from tasks import jobs

_CURSOR = "prime"


@strawberry.type(description="A prime and its index.")
class Prime:
    index: int = strawberry.field(description="Zero-based position in the result.")
    value: SafeInt = strawberry.field(description="The prime.")


@strawberry.type(description="A prime in a page.")
class PrimeEdge:
    cursor: str = strawberry.field(description="Opaque cursor. Always refers to this index of this result.")
    node: Prime = strawberry.field(description="The prime.")


@strawberry.type(description="A slice of a result, in order.")
class PrimeConnection:
    job: strawberry.Private[jobs.Job]
    slice: strawberry.Private[range]
    found: strawberry.Private[npt.NDArray[np.uint64]]

    @strawberry.field(description="The primes with their cursors. `values` is much cheaper for large pages.")
    def edges(self) -> list[PrimeEdge]:
        return [
            PrimeEdge(cursor=encode_cursor(_CURSOR, index), node=Prime(index=index, value=SafeInt(value)))
            for index, value in enumerate(self.found.tolist(), self.slice.start)
        ]

    @strawberry.field(description="The same slice as plain numbers: much cheaper for large pages.")
    def values(self) -> list[SafeInt]:
        return _numbers(self.found)

    @strawberry.field(description="Position of this page among the primes that can be read now.")
    def page_info(self) -> PageInfo:
        stop = self.slice.start + len(self.found)
        return PageInfo(
            has_next_page=stop < self.job.readable,
            has_previous_page=self.slice.start > 0 and self.job.readable > 0,
            start_cursor=encode_cursor(_CURSOR, self.slice.start) if len(self.found) else None,
            end_cursor=encode_cursor(_CURSOR, stop - 1) if len(self.found) else None,
        )

    @strawberry.field(description="Number of primes requested.")
    def total_count(self) -> int:
        return self.job.count

    @strawberry.field(description="Number of primes that can be read now.")
    def available_count(self) -> int:
        return self.job.readable

    @strawberry.field(description="Zero-based index of the first element of this slice.")
    def offset(self) -> int:
        return self.slice.start


async def page_of_primes(job: jobs.Job, info: Info, arguments: PageArguments) -> PrimeConnection:
    """The requested page of a job's primes."""
    page = arguments.slice(_CURSOR, job.readable, info.context.limits.max_page_size)
    found = await info.context.service.read_primes(job, page.start, len(page))
    info.context.service.record_primes_served(len(found), "graphql")
    return PrimeConnection(job=job, slice=page, found=found)


def _numbers(primes: npt.NDArray[np.uint64]) -> list[SafeInt]:
    return cast("list[SafeInt]", primes.tolist())
