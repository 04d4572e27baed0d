"""A job's primes as a file that other programs open: Parquet, CSV or newline-delimited JSON, one column `prime`.

Written piece by piece, so that nobody waits for the last prime to get the first, and other requests go on in between.
"""

from __future__ import annotations

import asyncio
import io
from enum import StrEnum
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import numpy as np
    import numpy.typing as npt

COLUMN = "prime"

# Primes in one piece of text: about half a megabyte, some 10 ms of work.
_PIECE = 65_536

# Primes in one row group of Parquet: what a reader that wants a page has to decode.
_ROW_GROUP = 131_072


class ExportFormat(StrEnum):
    """A file format; the value is the file name's ending."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def content_type(self) -> str:
        """Its media type."""
        return {
            ExportFormat.PARQUET: "application/vnd.apache.parquet",
            ExportFormat.CSV: "text/csv; charset=utf-8",
            ExportFormat.NDJSON: "application/x-ndjson",
        }[self]


async def export(primes: npt.NDArray[np.uint64], form: ExportFormat) -> AsyncIterator[bytes]:
    """The file's bytes, in pieces; each is made in a thread."""
    if form is ExportFormat.PARQUET:
        yield await asyncio.to_thread(_parquet, primes)
        return
    if form is ExportFormat.CSV:
        yield f"{COLUMN}\n".encode()
    for start in range(0, len(primes), _PIECE):
        yield await asyncio.to_thread(_lines, primes[start : start + _PIECE], form)


def _lines(primes: npt.NDArray[np.uint64], form: ExportFormat) -> bytes:
    before, after = ("", "\n") if form is ExportFormat.CSV else (f'{{"{COLUMN}":', "}\n")
    return "".join([f"{before}{prime}{after}" for prime in primes.tolist()]).encode()


def _parquet(primes: npt.NDArray[np.uint64]) -> bytes:
    # Signed: every prime is below 2^53, and not every reader has unsigned integers.
    table = pa.table({COLUMN: pa.array(primes.astype("int64"))})
    file = io.BytesIO()
    pq.write_table(
        table,
        file,
        row_group_size=_ROW_GROUP,
        use_dictionary=False,
        column_encoding={COLUMN: "DELTA_BINARY_PACKED"},
        compression="none",
        write_page_index=True,
    )
    return file.getvalue()
