"""Large results, for the API: any page of any result in about the same time, whatever its size, in bounded memory.

    {job id}/{index of the segment}.parquet       2^20 primes each, the last one fewer (tasks.results.parquet)

A place in a result is a place in a segment, and that is a place in a row group: footers tell which bytes those are.
Footers and unpacked row groups are remembered up to a number of bytes. Writing belongs to result_writer.
"""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

import numpy as np

from tasks.errors import SegmentDamaged
from tasks.jobs import SEGMENT_PRIMES, is_job_id, segment_count
from tasks.results import parquet
from tasks.results.cache import BlockCache
from tasks.results.object_store import ObjectStore
from tasks.results.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    import numpy.typing as npt

    from tasks.results.parquet import Layout
    from tasks.results.parquet_footer import RowGroup

P = ParamSpec("P")
T = TypeVar("T")

# Sixty-four row groups: some hundred clients who page at the same time, most of them near one another.
CACHED_PRIMES_BYTES = 32 * 2**20

# The footers of a thousand segments: a billion primes.
CACHED_LAYOUTS_BYTES = 4 * 2**20

# Reads at the same time; more do not make a disk faster.
READS_AT_ONCE = 8

# What is asked for of a file before its footer tells its own size: enough for all of ours.
_TAIL_BYTES = 8 * 1024

_NO_PRIMES: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)


class SegmentStore:
    """Reading, deleting and sweeping results.

    Every method raises ResultStoreUnavailable when the store fails, and SegmentMissing when a part that is asked for
    is not there, SegmentDamaged when it can't be unpacked: callers ask for what has been completed only.
    """

    def __init__(self, objects: ObjectStore, cache_bytes: int = CACHED_PRIMES_BYTES) -> None:
        self._objects = objects
        self._layouts: BlockCache[Layout] = BlockCache(CACHED_LAYOUTS_BYTES, READS_AT_ONCE)
        self._groups: BlockCache[npt.NDArray[np.uint64]] = BlockCache(cache_bytes, READS_AT_ONCE)

    @classmethod
    def connect(cls, url: str) -> Self:
        """The results at an address; nothing is sent.

        Raises:
            ValueError: results can't be kept there.
        """
        return cls(ObjectStore.connect(url))

    @property
    def remembered_bytes(self) -> int:
        """Memory taken by what was read lately."""
        return self._layouts.nbytes + self._groups.nbytes

    async def read(self, result_id: str, offset: int, count: int) -> npt.NDArray[np.uint64]:
        """The primes from the zero-based index `offset` on, `count` of them unless a segment among them is shorter.

        Holds `count` primes in memory: see `blocks` for many.
        """
        found = []
        while count > 0:
            index, within = divmod(offset, SEGMENT_PRIMES)
            block = await self._from(result_id, index, within)
            if not block.size:
                break
            found.append(block[:count])
            offset, count = offset + found[-1].size, count - found[-1].size
        # A copy in any case: what is remembered can be forgotten while a page of it is in use.
        return np.concatenate(found) if found else _NO_PRIMES

    async def blocks(self, result_id: str, offset: int, count: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """As `read`, a row group at a time, the next segment being read meanwhile; nothing of it is remembered."""
        stop = offset + count
        first, last = offset // SEGMENT_PRIMES, (stop - 1) // SEGMENT_PRIMES
        names = [segment_name(result_id, index) for index in range(first, last + 1)]
        start = first * SEGMENT_PRIMES
        async for file in prefetch(names, self._objects.get):
            for group in parse_segment(parquet.read_layout, file).groups:
                low, high = max(offset - start, 0), min(stop - start, group.primes)
                start += group.primes
                if low < high:
                    data = file[group.start : group.end]
                    block = await asyncio.to_thread(parse_segment, parquet.decode_row_group, group, data)
                    yield block[low:high]

    async def index_of(self, result_id: str, value: int, count: int) -> int | None:
        """The index of the first prime >= value among the first `count`; None when there is none."""
        # The last segment whose first prime is not above the value, or the first one of all: between two segments the
        # answer is the beginning of the later one.
        low, high = 0, segment_count(count) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if (await self.layout(result_id, middle)).groups[0].first <= value:
                low = middle
            else:
                high = middle - 1
        found = low * SEGMENT_PRIMES
        for group in (await self.layout(result_id, low)).groups:
            if value <= group.last:
                within = await self._from(result_id, low, found - low * SEGMENT_PRIMES)
                found += int(np.searchsorted(within, max(value, 0)))
                break
            found += group.primes
        return found if found < count else None

    async def layout(self, result_id: str, index: int) -> Layout:
        """Where the row groups of a segment are in its file."""
        name = segment_name(result_id, index)
        return await self._layouts.get(name, lambda: self._read_layout(name))

    async def layouts(self, result_id: str, count: int) -> Sequence[Layout]:
        """Those of all segments of a result of `count` primes."""
        return await asyncio.gather(*(self.layout(result_id, index) for index in range(segment_count(count))))

    async def read_ranges(self, result_id: str, pieces: Sequence[tuple[int, int, int]]) -> AsyncIterator[bytes]:
        """Bytes of segments as they are kept: for each (index, start, stop), in this order, one read ahead."""

        async def read(piece: tuple[int, int, int]) -> bytes:
            index, start, stop = piece
            return await self._objects.get_range(segment_name(result_id, index), start, stop)

        async for data in prefetch(pieces, read):
            yield data

    async def delete_result(self, result_id: str) -> None:
        """Delete all of a result; none is no failure."""
        await self._objects.delete_folder(result_id)

    async def sweep(
        self, known: Callable[[Sequence[str]], Awaitable[Collection[str]]], older_than: timedelta
    ) -> Sequence[str]:
        """Delete what belongs to no job any more: of expired ones, and what came too late from a lost worker.

        Any number of processes may do so at the same time, and writers go on meanwhile: folders are listed before the
        jobs are asked for, so one that belongs to a new job is not among them.

        Args:
            known: of these ids, those whose results are kept or may still be written.
            older_than: leave jobs alone that were submitted later than this ago; their ids tell.

        Returns:
            The ids of the jobs whose results were deleted.
        """
        until = datetime.now(UTC) - older_than
        # Whatever else is kept there is not ours to delete.
        found = [name for name in await self._objects.list_folders() if is_job_id(name) and _created_at(name) < until]
        if not found:
            return []
        kept = await known(found)
        orphans = [result_id for result_id in found if result_id not in kept]
        for result_id in orphans:
            await self.delete_result(result_id)
        return orphans

    async def check(self) -> None:
        """Fail as writing a result would: for those who ask whether the system is ready."""
        await self._objects.check()

    async def _from(self, result_id: str, index: int, within: int) -> npt.NDArray[np.uint64]:
        """The primes of one row group from a place in a segment on; none past its end."""
        name = segment_name(result_id, index)
        try:
            return await self._find(name, within)
        except SegmentDamaged:
            # The file may have been written anew since its footer was read: by another version of the program.
            self._layouts.forget(name)
            return await self._find(name, within)

    async def _find(self, name: str, within: int) -> npt.NDArray[np.uint64]:
        layout = await self._layouts.get(name, lambda: self._read_layout(name))
        for group in layout.groups:
            if within < group.primes:
                block = await self._groups.get((name, group), lambda: self._read_group(name, group))  # noqa: B023
                return block[within:]
            within -= group.primes
        return _NO_PRIMES

    async def _read_layout(self, name: str) -> Layout:
        tail = await self._objects.get_tail(name, _TAIL_BYTES)
        if (needed := parse_segment(parquet.footer_size, tail)) > len(tail):
            tail = await self._objects.get_tail(name, needed)
        return parse_segment(parquet.read_layout, tail)

    async def _read_group(self, name: str, group: RowGroup) -> npt.NDArray[np.uint64]:
        data = await self._objects.get_range(name, group.start, group.end)
        return await asyncio.to_thread(parse_segment, parquet.decode_row_group, group, data)


def segment_name(result_id: str, index: int) -> str:
    """Where a segment is kept. Sorts as the segments do, for whoever reads the folder with another program."""
    return f"{result_id}/{index:05d}.parquet"


def parse_segment(parse: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """What `parse` makes of bytes from the store.

    Raises:
        SegmentDamaged: it can make nothing of them.
    """
    try:
        return parse(*arguments, **named)
    except ValueError as error:
        raise SegmentDamaged from error


def _created_at(result_id: str) -> datetime:
    return datetime.fromtimestamp((uuid.UUID(result_id).int >> 80) / 1000, tz=UTC)
