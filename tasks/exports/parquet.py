"""One Parquet file of the many that a result is kept in: their row groups are copied as they are, under one footer.

Nothing is unpacked on the way, so it costs no more than reading the files, and where each byte comes from is known.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from typing import TYPE_CHECKING

from tasks.results import parquet
from tasks.results.parquet import DATA_START
from tasks.results.parquet_footer import MAGIC

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.exports.source import Source


async def lay_out(source: Source) -> ParquetExport:
    """The file of a result: reads the footers of its segments."""
    starts, footer = await asyncio.to_thread(parquet.join_layouts, await source.layouts())
    return ParquetExport(source, starts, footer)


class ParquetExport:
    """The joined file.

    Args:
        source: the result.
        starts: where in this file the row groups of each of its files begin, and where the last ones end.
        footer: what follows them.
    """

    def __init__(self, source: Source, starts: list[int], footer: bytes) -> None:
        self._source = source
        self._starts = starts
        self._footer = footer
        self.size = starts[-1] + len(footer)

    async def content(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `stop`, in pieces."""
        if start < min(stop, DATA_START):
            yield MAGIC[start:stop]
        if pieces := self._pieces(start, stop):
            async for data in self._source.read_ranges(pieces):
                yield data
        if stop > (end := self._starts[-1]):
            yield self._footer[max(start - end, 0) : stop - end]

    def _pieces(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """Which bytes of which files stand between the two: (index of the file, start, stop in it)."""
        start, stop = max(start, DATA_START), min(stop, self._starts[-1])
        pieces = []
        while start < stop:
            index = bisect_right(self._starts, start) - 1
            end = min(stop, self._starts[index + 1])
            shift = self._starts[index] - DATA_START
            pieces.append((index, start - shift, end - shift))
            start = end
        return pieces
