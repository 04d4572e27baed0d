"""A result as one Parquet file: the row groups of its segments are copied as they are, under one footer.

Nothing is decoded, so an export costs no more than reading the segments, and the origin of every byte is known.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import TYPE_CHECKING

from tasks.results import parquet
from tasks.results.parquet import DATA_START
from tasks.results.parquet_footer import MAGIC
from tasks.results.segments import SegmentRange

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.results.source import ResultSource


async def export_parquet(source: ResultSource) -> ParquetExport:
    """Returns the file of a result. Reads the footers of all its segments."""
    starts, footer = await asyncio.to_thread(parquet.join_layouts, await source.layouts())
    return ParquetExport(source, starts, footer)


class ParquetExport:
    """The row groups of all segments in one file. Implements ExportFile.

    Args:
        source: the result.
        starts: byte offset in this file at which the row groups of each segment start, then the offset of the end.
        footer: the bytes behind the row groups.
    """

    def __init__(self, source: ResultSource, starts: list[int], footer: bytes) -> None:
        self._source = source
        self._starts = starts
        self._footer = footer
        self.size = starts[-1] + len(footer)

    async def content(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yields the bytes from `start` to before `stop`, in pieces."""
        if start < min(stop, DATA_START):
            yield MAGIC[start:stop]
        if ranges := self._segment_ranges(start, stop):
            async for data in self._source.read_ranges(ranges):
                yield data
        if stop > (end := self._starts[-1]):
            yield self._footer[max(start - end, 0) : stop - end]

    def _segment_ranges(self, start: int, stop: int) -> list[SegmentRange]:
        """The ranges of the segments' files that make up the bytes from `start` to before `stop` of this file."""
        start, stop = max(start, DATA_START), min(stop, self._starts[-1])
        ranges = []
        while start < stop:
            index = bisect_right(self._starts, start) - 1
            end = min(stop, self._starts[index + 1])
            shift = self._starts[index] - DATA_START
            ranges.append(SegmentRange(index, start - shift, end - shift))
            start = end
        return ranges
