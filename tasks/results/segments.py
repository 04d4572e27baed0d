"""Segments of large results in the object store, for the API: read pages, look up primes, delete and sweep results.

    {result id}/{index of the segment}.parquet       2^20 primes each, fewer in the last one (tasks.results.parquet)

A rank in a result is a rank in a segment, and that is a rank in a row group: the file's footer says which bytes to
read. A page costs about the same at any rank of a result of any size, in bounded memory: footers and decoded row groups
are cached. tasks.results.writer writes segments.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ParamSpec, Self, TypeVar

import numpy as np

from tasks.errors import SegmentDamaged
from tasks.jobs import SEGMENT_PRIMES, is_job_id, segment_count
from tasks.results import parquet
from tasks.results.cache import ByteLimitedCache
from tasks.results.object_store import ObjectStore
from tasks.results.prefetch import prefetch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence

    import numpy.typing as npt

    from tasks.results.parquet import Layout
    from tasks.results.parquet_footer import RowGroup

P = ParamSpec("P")
T = TypeVar("T")

# Bytes of decoded row groups: 64 of them, for about a hundred clients that page at the same time, many of them close
# to one another.
ROW_GROUP_CACHE_BYTES = 32 * 2**20

# Bytes of footers: those of a thousand segments, a billion primes.
LAYOUT_CACHE_BYTES = 4 * 2**20

# Reads at the same time; more do not make a disk faster.
MAX_CONCURRENT_READS = 8

# Bytes to read from the end of a file before its footer's size is known: enough for every footer of ours.
_TAIL_BYTES = 8 * 1024

_EMPTY: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)


@dataclass(frozen=True, slots=True)
class SegmentRange:
    """Bytes `start` to before `stop` of the file of one segment."""

    index: int
    start: int
    stop: int


class SegmentStore:
    """Reads, deletes and sweeps segments.

    Every method raises ResultStoreUnavailable when the object store fails, SegmentMissing when a requested segment does
    not exist, and SegmentDamaged when it cannot be decoded. Callers request completed segments only.
    """

    def __init__(self, objects: ObjectStore, cache_bytes: int = ROW_GROUP_CACHE_BYTES) -> None:
        self._objects = objects
        self._layouts: ByteLimitedCache[Layout] = ByteLimitedCache(LAYOUT_CACHE_BYTES, MAX_CONCURRENT_READS)
        self._row_groups: ByteLimitedCache[npt.NDArray[np.uint64]] = ByteLimitedCache(cache_bytes, MAX_CONCURRENT_READS)

    @classmethod
    def connect(cls, url: str) -> Self:
        """The store at a URL; sends no request.

        Raises:
            ValueError: the URL is unsupported or unusable.
        """
        return cls(ObjectStore.connect(url))

    @property
    def cached_bytes(self) -> int:
        """Memory of cached footers and row groups."""
        return self._layouts.nbytes + self._row_groups.nbytes

    async def read(self, result_id: str, offset: int, count: int) -> npt.NDArray[np.uint64]:
        """Returns up to `count` primes from rank `offset` on; fewer if a segment on the way is short.

        Holds all of them in memory: use `blocks` for large counts.
        """
        found = []
        while count > 0:
            index, offset_in_segment = divmod(offset, SEGMENT_PRIMES)
            block = await self._read_from(result_id, index, offset_in_segment)
            if not block.size:
                break
            found.append(block[:count])
            offset, count = offset + found[-1].size, count - found[-1].size
        # Always a copy: the caller may change it, and it must not keep an evicted row group in memory.
        return np.concatenate(found) if found else _EMPTY

    async def blocks(self, result_id: str, offset: int, count: int) -> AsyncIterator[npt.NDArray[np.uint64]]:
        """As `read`, in blocks of at most one row group. Prefetches the next segment; bypasses the cache."""
        stop = offset + count
        first, last = offset // SEGMENT_PRIMES, (stop - 1) // SEGMENT_PRIMES
        names = [segment_name(result_id, index) for index in range(first, last + 1)]
        rank = first * SEGMENT_PRIMES
        async for file in prefetch(names, self._objects.get):
            for group in parse_segment(parquet.read_layout, file).groups:
                low, high = max(offset - rank, 0), min(stop - rank, group.count)
                rank += group.count
                if low < high:
                    data = file[group.start : group.end]
                    block = await asyncio.to_thread(parse_segment, parquet.decode_row_group, group, data)
                    yield block[low:high]

    async def index_of(self, result_id: str, value: int, count: int) -> int | None:
        """Returns the rank of the first prime >= value among the first `count` primes; None if all are smaller."""
        # Binary search for the last segment whose first prime is at most the value, or segment 0. If the value lies
        # between two segments, the rank found is that of the later segment's first prime.
        low, high = 0, segment_count(count) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if (await self.layout(result_id, middle)).groups[0].first <= value:
                low = middle
            else:
                high = middle - 1
        rank = low * SEGMENT_PRIMES
        for group in (await self.layout(result_id, low)).groups:
            if value <= group.last:
                block = await self._read_from(result_id, low, rank - low * SEGMENT_PRIMES)
                rank += int(np.searchsorted(block, max(value, 0)))
                break
            rank += group.count
        return rank if rank < count else None

    async def layout(self, result_id: str, index: int) -> Layout:
        """The row groups in the file of one segment."""
        return await self._cached_layout(segment_name(result_id, index))

    async def layouts(self, result_id: str, count: int) -> Sequence[Layout]:
        """The layouts of all segments of a result of `count` primes."""
        return await asyncio.gather(*(self.layout(result_id, index) for index in range(segment_count(count))))

    async def read_ranges(self, result_id: str, ranges: Sequence[SegmentRange]) -> AsyncIterator[bytes]:
        """The bytes of each range, undecoded, in the order given. Prefetches the next range."""

        async def read(segment: SegmentRange) -> bytes:
            return await self._objects.get_range(segment_name(result_id, segment.index), segment.start, segment.stop)

        async for data in prefetch(ranges, read):
            yield data

    async def delete_result(self, result_id: str) -> None:
        """Deletes all segments of a result, if there are any."""
        await self._objects.delete_folder(result_id)

    async def sweep(
        self, find_live: Callable[[Sequence[str]], Awaitable[Collection[str]]], older_than: timedelta
    ) -> Sequence[str]:
        """Deletes results that no job refers to: expired ones, and segments that a lost worker wrote too late.

        Safe in several processes at once and while workers write: the folders are listed before `find_live` is called,
        so the folder of a job that was submitted in between is not in the list.

        Args:
            find_live: of these result ids, returns those that are still stored or may still be written.
            older_than: skip results whose id is younger than this; an id contains its creation time.

        Returns:
            The ids of the deleted results.
        """
        created_before = datetime.now(UTC) - older_than
        # Leaves alone what others store in the same bucket.
        names = [name for name in await self._objects.list_folders() if is_job_id(name)]
        candidates = [result_id for result_id in names if _created_at(result_id) < created_before]
        if not candidates:
            return []
        live = await find_live(candidates)
        orphans = [result_id for result_id in candidates if result_id not in live]
        for result_id in orphans:
            await self.delete_result(result_id)
        return orphans

    async def check(self) -> None:
        """Raises ResultStoreUnavailable if a segment could not be written now. Used by the readiness endpoint."""
        await self._objects.check()

    async def _read_from(self, result_id: str, index: int, offset: int) -> npt.NDArray[np.uint64]:
        """The row group that holds rank `offset` of a segment, from that rank on; empty past the segment's end."""
        name = segment_name(result_id, index)
        try:
            return await self._read_row_group(name, offset)
        except SegmentDamaged:
            # The cached footer may be out of date: another version of the program may have written the file again.
            self._layouts.discard(name)
            return await self._read_row_group(name, offset)

    async def _read_row_group(self, name: str, offset: int) -> npt.NDArray[np.uint64]:
        for group in (await self._cached_layout(name)).groups:
            if offset < group.count:
                block = await self._row_groups.get((name, group), lambda: self._load_row_group(name, group))  # noqa: B023
                return block[offset:]
            offset -= group.count
        return _EMPTY

    async def _cached_layout(self, name: str) -> Layout:
        return await self._layouts.get(name, lambda: self._load_layout(name))

    async def _load_layout(self, name: str) -> Layout:
        tail = await self._objects.get_tail(name, _TAIL_BYTES)
        if (size := parse_segment(parquet.footer_size, tail)) > len(tail):
            tail = await self._objects.get_tail(name, size)
        return parse_segment(parquet.read_layout, tail)

    async def _load_row_group(self, name: str, group: RowGroup) -> npt.NDArray[np.uint64]:
        data = await self._objects.get_range(name, group.start, group.end)
        return await asyncio.to_thread(parse_segment, parquet.decode_row_group, group, data)


def segment_name(result_id: str, index: int) -> str:
    """The name of a segment's file. Names sort by index, for other programs that read the folder."""
    return f"{result_id}/{index:05d}.parquet"


def parse_segment(parse: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls `parse` on bytes from the store.

    Raises:
        SegmentDamaged: `parse` raised ValueError.
    """
    try:
        return parse(*args, **kwargs)
    except ValueError as error:
        raise SegmentDamaged from error


def _created_at(result_id: str) -> datetime:
    """The timestamp of a UUIDv7: its first 48 bits, milliseconds since the epoch."""
    return datetime.fromtimestamp((uuid.UUID(result_id).int >> 80) / 1000, tz=UTC)
