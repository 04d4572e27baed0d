"""A result as lines of text, CSV or NDJSON. The byte offset of every line is known without generating the text.

Primes ascend, so those with the same number of digits are consecutive, in lines of equal width: the rank of the first
prime of each number of digits suffices to find the line at any byte offset. numpy generates the digits of many lines
at once, one column after the other: about 700 MB/s, ten times a Python loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    import numpy.typing as npt

    from tasks.results.source import ResultSource

# Decimal digits of the largest prime, below 2^53.
_MAX_DIGITS = 16


@dataclass(frozen=True, slots=True)
class LineFormat:
    """The header line, and what precedes and follows each prime in its line."""

    header: bytes
    prefix: bytes
    suffix: bytes


CSV = LineFormat(b"prime\n", b"", b"\n")
NDJSON = LineFormat(b"", b'{"prime":', b"}\n")


@dataclass(frozen=True, slots=True)
class EqualLines:
    """Consecutive lines of equal width: the primes of `digits` digits, from rank `first` and byte offset `start` on."""

    digits: int
    first: int
    start: int
    width: int


async def export_text(source: ResultSource, line_format: LineFormat) -> TextExport:
    """Returns the file of a result. Looks up the rank of the first prime of each number of digits."""
    runs: list[EqualLines] = []
    start, first = len(line_format.header), 0
    for digits in range(1, _MAX_DIGITS + 1):
        longer = await source.index_of(10**digits)
        stop = source.count if longer is None else longer
        width = len(line_format.prefix) + digits + len(line_format.suffix)
        if stop > first:
            runs.append(EqualLines(digits, first, start, width))
        start, first = start + (stop - first) * width, stop
        if longer is None:
            break
    return TextExport(source, line_format, runs, size=start)


class TextExport:
    """A header and one line per prime. Implements ExportFile."""

    def __init__(self, source: ResultSource, line_format: LineFormat, runs: Sequence[EqualLines], size: int) -> None:
        self._source = source
        self._line_format = line_format
        self._runs = runs
        self.size = size

    async def content(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yields the bytes from `start` to before `stop`, in pieces."""
        header = self._line_format.header[start:stop]
        if header:
            yield header
            start += len(header)
        if start >= stop:
            return
        run = next(run for run in reversed(self._runs) if run.start <= start)
        lines_before, skipped = divmod(start - run.start, run.width)
        rank, remaining = run.first + lines_before, stop - start
        async for primes in self._source.blocks(rank):
            text = (await asyncio.to_thread(self._lines, rank, primes))[skipped : skipped + remaining]
            yield text
            rank, skipped, remaining = rank + primes.size, 0, remaining - len(text)
            if not remaining:
                return

    def _lines(self, rank: int, primes: npt.NDArray[np.uint64]) -> bytes:
        """The lines of consecutive primes; `rank` is that of the first."""
        return b"".join(format_lines(part, digits, self._line_format) for digits, part in self._split(rank, primes))

    def _split(self, rank: int, primes: npt.NDArray[np.uint64]) -> Iterator[tuple[int, npt.NDArray[np.uint64]]]:
        """Splits primes by their number of digits."""
        ends = [run.first for run in self._runs[1:]] + [rank + primes.size]
        for run, end in zip(self._runs, ends, strict=True):
            part = primes[max(run.first - rank, 0) : max(end - rank, 0)]
            if part.size:
                yield run.digits, part


def format_lines(primes: npt.NDArray[np.uint64], digits: int, line_format: LineFormat) -> bytes:
    """Returns one line per prime; all primes must have `digits` digits."""
    first = len(line_format.prefix)
    text = np.empty((primes.size, first + digits + len(line_format.suffix)), dtype=np.uint8)
    text[:, :first] = np.frombuffer(line_format.prefix, dtype=np.uint8)
    text[:, first + digits :] = np.frombuffer(line_format.suffix, dtype=np.uint8)
    for column in range(first + digits - 1, first - 1, -1):
        quotients = primes // 10
        text[:, column] = primes - quotients * 10 + ord("0")
        primes = quotients
    return text.tobytes()
