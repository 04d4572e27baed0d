"""Where an export gets its primes: from memory, where a result is small, or from the files of a large one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import numpy as np

from tasks.results import parquet

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import numpy.typing as npt

    from tasks.results.parquet import Layout
    from tasks.results.segments import SegmentStore


class Source(Protocol):
    """A complete result of at least one prime. What can't be read raises BackendUnavailable."""

    @property
    def count(self) -> int:
        """How many primes there are."""
        ...

    def blocks(self, offset: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """The primes from the zero-based index `offset` on, some ten thousand at a time."""
        ...

    async def index_of(self, value: int) -> int | None:
        """The index of the first prime >= value; None when there is none."""
        ...

    async def layouts(self) -> Sequence[Layout]:
        """Of the Parquet files that the result is kept in, or could be."""
        ...

    def read_ranges(self, pieces: Sequence[tuple[int, int, int]]) -> AsyncIterator[bytes]:
        """Bytes of these files, for each (index of the file, start, stop)."""
        ...


class StoredSource:
    """A result in the result store."""

    def __init__(self, store: SegmentStore, result_id: str, count: int) -> None:
        self._store = store
        self._result_id = result_id
        self.count = count

    def blocks(self, offset: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """As Source says."""
        return self._store.blocks(self._result_id, offset, self.count - offset)

    async def index_of(self, value: int) -> int | None:
        """As Source says."""
        return await self._store.index_of(self._result_id, value, self.count)

    async def layouts(self) -> Sequence[Layout]:
        """As Source says."""
        return await self._store.layouts(self._result_id, self.count)

    def read_ranges(self, pieces: Sequence[tuple[int, int, int]]) -> AsyncIterator[bytes]:
        """As Source says."""
        return self._store.read_ranges(self._result_id, pieces)


class ArraySource:
    """A result in memory."""

    def __init__(self, primes: npt.NDArray[np.uint64]) -> None:
        self._primes = primes
        self._file = b""
        self.count = primes.size

    async def blocks(self, offset: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """As Source says."""
        for start in range(offset, self.count, parquet.ROW_GROUP_PRIMES):
            yield self._primes[start : start + parquet.ROW_GROUP_PRIMES]

    async def index_of(self, value: int) -> int | None:
        """As Source says."""
        index = int(np.searchsorted(self._primes, value))
        return index if index < self.count else None

    async def layouts(self) -> Sequence[Layout]:
        """As Source says: one file, packed now."""
        self._file = await asyncio.to_thread(parquet.encode, self._primes)
        return [parquet.read_layout(self._file)]

    async def read_ranges(self, pieces: Sequence[tuple[int, int, int]]) -> AsyncIterator[bytes]:
        """As Source says, after `layouts`."""
        for _, start, stop in pieces:
            yield self._file[start:stop]
