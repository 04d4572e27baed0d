"""Writes the footer of a Parquet file with one column of primes: where its row groups are and what they hold.

pyarrow writes a footer only for pages that it has just encoded. With this one, existing row groups are joined to
another file, or read on their own, at the cost of copying bytes. Structures and field numbers are those of
parquet.thrift, version 2 of the format, in Thrift's compact protocol. Tests read the result with
pyarrow, DuckDB and Polars.

Sources: github.com/apache/parquet-format (parquet.thrift), github.com/apache/thrift (thrift-compact-protocol.md).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"PAR1"
COLUMN = "prime"

# Field types of the compact protocol.
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_STOP = b"\x00"
# Lists of this many elements or more need a separate length: the header has four bits for it.
_LONG_LIST = 15

# Enumeration values of parquet.thrift: Type, FieldRepetitionType, Encoding, CompressionCodec.
_INT64 = 2
_REQUIRED = 0
_RLE, _DELTA_BINARY_PACKED = 3, 5
_UNCOMPRESSED = 0


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group: `count` primes from `first` to `last`, in `size` bytes from byte offset `start` of the file on."""

    count: int
    start: int
    size: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """Byte offset behind the last byte."""
        return self.start + self.size

    def moved_to(self, start: int) -> RowGroup:
        """The same row group at another byte offset."""
        return RowGroup(self.count, start, self.size, self.first, self.last)


def write_footer(groups: Sequence[RowGroup]) -> bytes:
    """Returns what follows the last row group: FileMetaData, its length, and the magic bytes."""
    metadata = b"".join(
        [
            _field(1, 0, _I32, _integer(2)),  # version
            _field(2, 1, _LIST, _list(_STRUCT, [_ROOT, _LEAF])),  # schema
            _field(3, 2, _I64, _integer(sum(group.count for group in groups))),  # num_rows
            _field(4, 3, _LIST, _list(_STRUCT, [_row_group(group) for group in groups])),  # row_groups
            _field(6, 4, _BINARY, _binary(b"async-prime-generator")),  # created_by
            _field(7, 6, _LIST, _list(_STRUCT, [_field(1, 0, _STRUCT, _STOP) + _STOP])),  # column_orders: by type
            _STOP,
        ]
    )
    return metadata + struct.pack("<I", len(metadata)) + MAGIC


def _row_group(group: RowGroup) -> bytes:
    size, count = _integer(group.size), _integer(group.count)
    return b"".join(
        [
            _COLUMN_CHUNK_HEAD,
            count,  # num_values
            _field(6, 5, _I64, size),  # total_uncompressed_size
            _field(7, 6, _I64, size),  # total_compressed_size
            _field(9, 7, _I64, _integer(group.start)),  # data_page_offset
            _field(12, 9, _STRUCT, _statistics(group)),
            _STOP,  # end of meta_data
            _STOP,  # end of the column chunk
            _field(2, 1, _I64, size),  # total_byte_size
            _field(3, 2, _I64, count),  # num_rows
            _STOP,
        ]
    )


def _statistics(group: RowGroup) -> bytes:
    return b"".join(
        [
            _field(3, 0, _I64, _integer(0)),  # null_count
            _field(5, 3, _BINARY, _binary(struct.pack("<q", group.last))),  # max_value
            _field(6, 5, _BINARY, _binary(struct.pack("<q", group.first))),  # min_value
            _STOP,
        ]
    )


def _field(number: int, previous: int, kind: int, value: bytes) -> bytes:
    """A field of a structure. Its header has the distance to the previous field number, here always below 16."""
    return bytes([(number - previous) << 4 | kind]) + value


def _list(kind: int, elements: Sequence[bytes]) -> bytes:
    length = len(elements)
    head = bytes([length << 4 | kind]) if length < _LONG_LIST else bytes([0xF0 | kind]) + _varint(length)
    return head + b"".join(elements)


def _binary(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _integer(value: int) -> bytes:
    """A signed integer in zigzag encoding; never negative here."""
    return _varint(value << 1)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits per byte
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


_ROOT = (
    _field(3, 0, _I32, _integer(_REQUIRED))  # repetition_type
    + _field(4, 3, _BINARY, _binary(b"schema"))  # name
    + _field(5, 4, _I32, _integer(1))  # num_children
    + _STOP
)
_LEAF = (
    _field(1, 0, _I32, _integer(_INT64))  # type
    + _field(3, 1, _I32, _integer(_REQUIRED))  # repetition_type
    + _field(4, 3, _BINARY, _binary(COLUMN.encode()))  # name
    + _STOP
)

# The constant start of a row group: its list of one column chunk, up to the number of values.
_COLUMN_CHUNK_HEAD = (
    bytes([1 << 4 | _LIST, 1 << 4 | _STRUCT])  # columns
    + _field(2, 0, _I64, _integer(0))  # file_offset: 0, as the metadata is in this footer
    + bytes([1 << 4 | _STRUCT])  # meta_data
    + _field(1, 0, _I32, _integer(_INT64))  # type
    + _field(2, 1, _LIST, _list(_I32, [_integer(_RLE), _integer(_DELTA_BINARY_PACKED)]))  # encodings
    + _field(3, 2, _LIST, _list(_BINARY, [_binary(COLUMN.encode())]))  # path_in_schema
    + _field(4, 3, _I32, _integer(_UNCOMPRESSED))  # codec
    + bytes([1 << 4 | _I64])  # num_values
)
