"""Primes as Parquet files: one file per segment, in row groups that can be read and copied on their own.

The column is a signed integer: every prime is below 2^53, some readers lack unsigned integers, and numpy converts a sum
of both kinds to floating point. Delta encoding takes 0.8 to 1.4 bytes per prime and 2 ms to decode a million. General
compression on top would save a sixth at twice the time, so it is left out. Each page carries a checksum.

Needs pyarrow only. tasks.results.segments says where files are stored, parquet_footer writes the end of a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.results.parquet_footer import COLUMN, MAGIC, RowGroup, write_footer

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

# Primes per row group, the unit of reading: about 60 kB, decoded in 0.2 ms.
ROW_GROUP_PRIMES = 65_536

# Byte offset of the first row group.
DATA_START = len(MAGIC)

# The last bytes of a file: length of the footer (4 bytes) and the magic bytes.
_TRAILER_BYTES = 8

_SCHEMA = pa.schema([pa.field(COLUMN, pa.int64(), nullable=False)])


@dataclass(frozen=True, slots=True)
class Layout:
    """The row groups of a file, in order."""

    groups: tuple[RowGroup, ...]

    @property
    def count(self) -> int:
        """Number of primes in the file."""
        return sum(group.count for group in self.groups)

    @property
    def data_end(self) -> int:
        """Byte offset of the end of the last row group. Row groups fill the file from DATA_START to here."""
        return self.groups[-1].end

    @property
    def nbytes(self) -> int:
        """Approximate size of this object in memory, in bytes."""
        return 256 * len(self.groups)


def encode(primes: npt.NDArray[np.uint64]) -> bytes:
    """Returns a file of at least one ascending prime. Deterministic: the same primes give the same bytes."""
    column = pa.Array.from_buffers(pa.int64(), primes.size, [None, pa.py_buffer(np.ascontiguousarray(primes).data)])
    table = pa.Table.from_arrays([column], schema=_SCHEMA)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        _SCHEMA,
        use_dictionary=False,
        column_encoding={COLUMN: "DELTA_BINARY_PACKED"},
        compression="none",
        write_page_index=True,
        write_page_checksum=True,
        store_schema=False,
    ) as writer:
        writer.write_table(table, row_group_size=ROW_GROUP_PRIMES)
    return sink.getvalue().to_pybytes()


def decode(file: bytes) -> npt.NDArray[np.uint64]:
    """Returns the primes of a whole file, read-only.

    Raises:
        ValueError: the file is damaged.
    """
    try:
        opened = pq.ParquetFile(pa.BufferReader(file), page_checksum_verification=True)
        primes = np.empty(opened.metadata.num_rows, dtype=np.uint64)
        # One row group at a time: reading all of them at once would hold every prime in memory twice.
        length = 0
        for index in range(opened.num_row_groups):
            for chunk in opened.read_row_group(index, use_threads=False).column(COLUMN).chunks:
                # Not to_numpy: it imports pandas if that is installed, which takes a second and 40 MB per process.
                values = cast("memoryview[int]", chunk.buffers()[1])
                begin, length = length, length + len(chunk)
                primes[begin:length] = np.frombuffer(values, np.uint64, len(chunk), chunk.offset * 8)
    except (pa.ArrowException, OSError, KeyError, MemoryError) as error:
        raise ValueError(f"Parquet file of {len(file)} bytes is damaged: {error}") from error
    primes = primes[:length]
    primes.flags.writeable = False
    return primes


def decode_row_group(group: RowGroup, data: bytes) -> npt.NDArray[np.uint64]:
    """Returns the primes of one row group, read-only.

    Args:
        group: the row group's entry in the footer.
        data: its bytes, from `group.start` to before `group.end`.

    Raises:
        ValueError: the bytes are damaged, or belong to another row group.
    """
    if len(data) != group.size:
        raise ValueError(f"row group has {group.size} bytes, got {len(data)}")
    primes = decode(b"".join([MAGIC, data, write_footer([group.moved_to(DATA_START)])]))
    if (primes[0], primes[-1]) != (group.first, group.last):
        raise ValueError(f"row group holds primes {primes[0]} to {primes[-1]}, must be {group.first} to {group.last}")
    return primes


def footer_size(tail: bytes) -> int:
    """Returns how many bytes from the end of a file `read_layout` needs.

    Args:
        tail: the last bytes of the file, at least 8.

    Raises:
        ValueError: this is not the end of a Parquet file.
    """
    if len(tail) < _TRAILER_BYTES or not tail.endswith(MAGIC):
        raise ValueError(f"the last {len(tail)} bytes are not the end of a Parquet file")
    return int.from_bytes(tail[-_TRAILER_BYTES : -len(MAGIC)], "little") + _TRAILER_BYTES


def read_layout(tail: bytes) -> Layout:
    """Returns the layout of a file.

    Args:
        tail: the last bytes of the file, at least `footer_size` of them.

    Raises:
        ValueError: the footer is damaged, or `encode` did not write the file.
    """
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        groups = tuple(_row_group(metadata.row_group(i)) for i in range(metadata.num_row_groups))
    except (pa.ArrowException, OSError, AttributeError) as error:
        raise ValueError(f"Parquet footer is damaged: {error}") from error
    ends = [DATA_START, *(group.end for group in groups)]
    if not groups or [group.start for group in groups] != ends[:-1]:
        raise ValueError("Parquet file has gaps between its row groups")
    return Layout(groups)


def join_layouts(layouts: Iterable[Layout]) -> tuple[list[int], bytes]:
    """Plans one file made of the row groups of several, which are copied without decoding them.

    Returns:
        The byte offsets in the joined file at which the row groups of each file start, then the offset at which the
        last ones end; and the footer, which follows there. The joined file starts with the magic bytes.
    """
    starts, groups = [DATA_START], []
    for layout in layouts:
        shift = starts[-1] - DATA_START
        groups += [group.moved_to(group.start + shift) for group in layout.groups]
        starts.append(layout.data_end + shift)
    return starts, write_footer(groups)


def _row_group(group: pq.RowGroupMetaData) -> RowGroup:
    column = group.column(0)
    if group.num_columns != 1 or (column.path_in_schema, column.physical_type) != (COLUMN, "INT64"):
        raise ValueError(f"Parquet file has other columns than {COLUMN}")
    if column.compression != "UNCOMPRESSED" or column.has_dictionary_page:
        raise ValueError("Parquet file is compressed, must be uncompressed")
    if (statistics := column.statistics) is None or statistics.min is None or statistics.max is None:
        raise ValueError("Parquet file has no statistics with the first and last prime of a row group")
    return RowGroup(
        count=group.num_rows,
        start=column.data_page_offset,
        size=column.total_compressed_size,
        first=statistics.min,
        last=statistics.max,
    )
