"""A finished result as a file that other programs open: Parquet, CSV or newline-delimited JSON, one column `prime`.

The size of a file is known before any of it is made, and its bytes are the same each time, so that any part of it can
be had alone and a download goes on where it broke off. Memory does not grow with the result: pieces are made one by
one, each when the one before it is gone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from tasks.exports import parquet, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.exports.source import Source


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

    @property
    def is_text(self) -> bool:
        """Worth compressing on the way; Parquet is packed already."""
        return self is not ExportFormat.PARQUET


class ExportFile(Protocol):
    """A file that is made while it is read."""

    @property
    def size(self) -> int:
        """Its length in bytes."""
        ...

    def content(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """The bytes from `start` to before `stop`, in pieces; 0 <= start <= stop <= size.

        Raises:
            BackendUnavailable: in the middle of it, as well.
        """
        ...


async def export(source: Source, form: ExportFormat) -> ExportFile:
    """The file of a whole result.

    Raises:
        BackendUnavailable: the result can't be read.
    """
    match form:
        case ExportFormat.PARQUET:
            return await parquet.lay_out(source)
        case ExportFormat.CSV:
            return await text.lay_out(source, text.CSV)
        case ExportFormat.NDJSON:
            return await text.lay_out(source, text.NDJSON)
