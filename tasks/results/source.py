"""The source of an export's primes: an array for a small result, segments for a large one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tasks.results import parquet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import numpy.typing as npt

    from tasks.results.parquet import Layout
    from tasks.results.segments import SegmentRange, SegmentStore


class ResultSource(Protocol):
    """A complete result of at least one prime. Methods raise BackendUnavailable if it cannot be read."""

    @property
    def count(self) -> int:
        """Number of primes."""
        ...

    def blocks(self, offset: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """Yields the primes from rank `offset` on, in blocks of at most 65,536."""
        ...

    async def index_of(self, value: int) -> int | None:
        """Returns the rank of the first prime >= value; None if all are smaller."""
        ...

    async def layouts(self) -> Sequence[Layout]:
        """Returns the layouts of the Parquet files that hold the result, one per segment."""
        ...

    def read_ranges(self, ranges: Sequence[SegmentRange]) -> AsyncIterator[bytes]:
        """Yields the bytes of each range of these files."""
        ...


class SegmentSource:
    """A result whose segments are in the result store."""

    def __init__(self, segments: SegmentStore, result_id: str, count: int) -> None:
        self._segments = segments
        self._result_id = result_id
        self.count = count

    def blocks(self, offset: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """See ResultSource."""
        return self._segments.blocks(self._result_id, offset, self.count - offset)

    async def index_of(self, value: int) -> int | None:
        """See ResultSource."""
        return await self._segments.index_of(self._result_id, value, self.count)

    async def layouts(self) -> Sequence[Layout]:
        """See ResultSource."""
        return await self._segments.layouts(self._result_id, self.count)

    def read_ranges(self, ranges: Sequence[SegmentRange]) -> AsyncIterator[bytes]:
        """See ResultSource."""
        return self._segments.read_ranges(self._result_id, ranges)


class ArraySource:
    """A small result in memory; `layouts` encodes it as one segment."""

    def __init__(self, primes: npt.NDArray[np.uint64]) -> None:
        self._primes = primes
        self._file = b""
        self.count = primes.size

    async def blocks(self, offset: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """See ResultSource."""
        for start in range(offset, self.count, parquet.ROW_GROUP_PRIMES):
            yield self._primes[start : start + parquet.ROW_GROUP_PRIMES]

    async def index_of(self, value: int) -> int | None:
        """See ResultSource."""
        index = int(np.searchsorted(self._primes, value))
        return index if index < self.count else None

    async def layouts(self) -> Sequence[Layout]:
        """See ResultSource. Encodes the primes as one segment."""
        self._file = await asyncio.to_thread(parquet.encode, self._primes)
        return [parquet.read_layout(self._file)]

    async def read_ranges(self, ranges: Sequence[SegmentRange]) -> AsyncIterator[bytes]:
        """See ResultSource. Call `layouts` first."""
        for segment in ranges:
            yield self._file[segment.start : segment.stop]
