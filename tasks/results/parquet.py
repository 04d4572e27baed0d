"""Primes as Parquet: one file a segment, cut into row groups that can be read and moved one by one.

The column is a signed integer: every prime is below 2^53, not every reader has unsigned ones, and numpy turns a sum of
both kinds into floating point. Delta-coded, a prime takes 0.8 to 1.4 bytes, and a million of them 2 ms to decode.
Compressing that once more would save a sixth, double the time, and is left out. Each page carries a checksum.

Needs pyarrow only. Where files are kept belongs to result_store; the tail of a file is written by parquet_footer.
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

# Primes in one row group: what is read and unpacked for a page of any size, some 60 kB and 0.2 ms.
ROW_GROUP_PRIMES = 65_536

# Where the first row group begins.
DATA_START = len(MAGIC)

# At the end of a file: the length of the footer and the magic bytes.
_TRAILER_BYTES = 8

_SCHEMA = pa.schema([pa.field(COLUMN, pa.int64(), nullable=False)])


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the row groups of a file are, and what is in them."""

    groups: tuple[RowGroup, ...]

    @property
    def primes(self) -> int:
        """How many there are."""
        return sum(group.primes for group in self.groups)

    @property
    def data_end(self) -> int:
        """Where the last row group ends: from DATA_START to here the file is nothing but row groups."""
        return self.groups[-1].end

    @property
    def nbytes(self) -> int:
        """About what keeping this costs in memory."""
        return 256 * len(self.groups)


def encode(primes: npt.NDArray[np.uint64]) -> bytes:
    """A file of ascending primes, at least one. The same primes give the same bytes."""
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


def decode(file: bytes, out: npt.NDArray[np.uint64] | None = None) -> npt.NDArray[np.uint64]:
    """The primes of a whole file; read-only.

    They are put into the beginning of `out`, where one is given: then the next file needs no other memory.

    Raises:
        ValueError: the file is damaged, or has more primes than `out` has room for.
    """
    try:
        opened = pq.ParquetFile(pa.BufferReader(file), page_checksum_verification=True)
        rows = opened.metadata.num_rows
        if out is None:
            out = np.empty(rows, dtype=np.uint64)
        if rows > out.size:
            raise ValueError(f"a Parquet file has {rows} primes, must have at most {out.size}")
        # One row group after the other: all of them at once would be there twice.
        length = 0
        for index in range(opened.num_row_groups):
            for chunk in opened.read_row_group(index, use_threads=False).column(COLUMN).chunks:
                # Not by to_numpy, which imports pandas where it is installed: a second, and 40 MB in each process.
                values = cast("memoryview[int]", chunk.buffers()[1])
                begin, length = length, length + len(chunk)
                out[begin:length] = np.frombuffer(values, np.uint64, len(chunk), chunk.offset * 8)
    except (pa.ArrowException, OSError, KeyError, MemoryError) as error:
        raise ValueError(f"a Parquet file of {len(file)} bytes is damaged: {error}") from error
    primes = out[:length]
    primes.flags.writeable = False
    return primes


def decode_row_group(group: RowGroup, data: bytes) -> npt.NDArray[np.uint64]:
    """The primes of one row group, from its bytes alone.

    Raises:
        ValueError: these are not the bytes of this row group.
    """
    if len(data) != group.size:
        raise ValueError(f"a row group has {group.size} bytes, got {len(data)}")
    primes = decode(b"".join([MAGIC, data, write_footer([group.moved_to(DATA_START)])]))
    if (primes[0], primes[-1]) != (group.first, group.last):
        raise ValueError(f"a row group is {primes[0]} to {primes[-1]}, must be {group.first} to {group.last}")
    return primes


def footer_size(tail: bytes) -> int:
    """How many bytes from the end of a file `read_layout` needs, told by any part of its end.

    Raises:
        ValueError: this is not the end of a Parquet file.
    """
    if len(tail) < _TRAILER_BYTES or not tail.endswith(MAGIC):
        raise ValueError("this is not the end of a Parquet file")
    return int.from_bytes(tail[-_TRAILER_BYTES : -len(MAGIC)], "little") + _TRAILER_BYTES


def read_layout(tail: bytes) -> Layout:
    """The layout of a file, from its last `footer_bytes` or more.

    Raises:
        ValueError: it is damaged, or was not written by `encode`.
    """
    try:
        metadata = pq.read_metadata(pa.BufferReader(tail))
        groups = tuple(_chunk(metadata.row_group(i)) for i in range(metadata.num_row_groups))
    except (pa.ArrowException, OSError, AttributeError) as error:
        raise ValueError(f"the footer of a Parquet file is damaged: {error}") from error
    ends = [DATA_START, *(group.end for group in groups)]
    if not groups or [group.start for group in groups] != ends[:-1]:
        raise ValueError("the row groups of a Parquet file do not follow one another")
    return Layout(groups)


def join_layouts(layouts: Iterable[Layout]) -> tuple[list[int], bytes]:
    """How files become one without unpacking them.

    Returns:
        Where in the joined file the row groups of each one begin, then where the last ones end; and the footer that
        follows. Before them all stand the magic bytes.
    """
    starts, moved = [DATA_START], []
    for layout in layouts:
        shift = starts[-1] - DATA_START
        moved += [group.moved_to(group.start + shift) for group in layout.groups]
        starts.append(layout.data_end + shift)
    return starts, write_footer(moved)


def _chunk(group: pq.RowGroupMetaData) -> RowGroup:
    column = group.column(0)
    if group.num_columns != 1 or (column.path_in_schema, column.physical_type) != (COLUMN, "INT64"):
        raise ValueError(f"a Parquet file has other columns than {COLUMN}")
    if column.compression != "UNCOMPRESSED" or column.has_dictionary_page:
        raise ValueError("a Parquet file is compressed, which none of ours is")
    if (statistics := column.statistics) is None or statistics.min is None or statistics.max is None:
        raise ValueError("a Parquet file does not say which primes its row groups begin and end with")
    return RowGroup(
        primes=group.num_rows,
        start=column.data_page_offset,
        size=column.total_compressed_size,
        first=statistics.min,
        last=statistics.max,
    )
