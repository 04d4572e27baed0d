"""A finished result as a file for other programs: Parquet, CSV or newline-delimited JSON, with one column `prime`.

The size of a file is known before its content is generated, and the same result always gives the same bytes. So a
client can request a byte range, and resume an interrupted download. Memory does not grow with the result: content is
generated piece by piece, as the client takes it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from tasks.exports import parquet, text

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.results.source import ResultSource


class ExportFormat(StrEnum):
    """A file format; the value is the file name extension."""

    PARQUET = "parquet"
    CSV = "csv"
    NDJSON = "ndjson"

    @property
    def content_type(self) -> str:
        """The media type, for the Content-Type header."""
        return {
            ExportFormat.PARQUET: "application/vnd.apache.parquet",
            ExportFormat.CSV: "text/csv; charset=utf-8",
            ExportFormat.NDJSON: "application/x-ndjson",
        }[self]

    @property
    def is_text(self) -> bool:
        """Whether HTTP compression is worthwhile; Parquet is already compact."""
        return self is not ExportFormat.PARQUET


class ExportFile(Protocol):
    """A file whose content is generated while it is read."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...

    def content(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yields the bytes from `start` to before `stop`, in pieces; 0 <= start <= stop <= size.

        Raises:
            BackendUnavailable: the result cannot be read; possibly after some pieces.
        """
        ...


async def export(source: ResultSource, export_format: ExportFormat) -> ExportFile:
    """Returns the file of a whole result.

    Raises:
        BackendUnavailable: the result cannot be read.
    """
    match export_format:
        case ExportFormat.PARQUET:
            return await parquet.export_parquet(source)
        case ExportFormat.CSV:
            return await text.export_text(source, text.CSV)
        case ExportFormat.NDJSON:
            return await text.export_text(source, text.NDJSON)
