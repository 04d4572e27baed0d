"""The end of a Parquet file with one column of primes, written by hand: where its row groups are and what they hold.

pyarrow writes one only for the pages that it has just packed. With this, row groups that exist are put together to
another file, or read alone, at the cost of copying them. The structures are those of parquet.thrift, version 2 of the
format, in Thrift's compact protocol; field numbers stand beside them. Tests open what comes out with other programs.

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

# Kinds of fields in the compact protocol.
_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12
_STOP = b"\x00"
# From so many elements on, the length of a list does not fit beside its kind.
_LONG_LIST = 15

# Values of parquet.thrift's enumerations.
_INT64 = 2
_REQUIRED = 0
_RLE, _DELTA_BINARY_PACKED = 3, 5
_UNCOMPRESSED = 0


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group: how many primes, from which byte of the file on, in how many bytes, and the outermost of them."""

    primes: int
    start: int
    size: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """Where the next one may begin."""
        return self.start + self.size

    def moved_to(self, start: int) -> RowGroup:
        """The same row group at another place."""
        return RowGroup(self.primes, start, self.size, self.first, self.last)


def write_footer(chunks: Sequence[RowGroup]) -> bytes:
    """All that follows the last row group: the FileMetaData, its length, and the magic bytes."""
    metadata = b"".join(
        [
            _field(1, 0, _I32, _integer(2)),  # version
            _field(2, 1, _LIST, _list(_STRUCT, [_ROOT, _LEAF])),  # schema
            _field(3, 2, _I64, _integer(sum(chunk.primes for chunk in chunks))),  # num_rows
            _field(4, 3, _LIST, _list(_STRUCT, [_row_group(chunk) for chunk in chunks])),  # row_groups
            _field(6, 4, _BINARY, _binary(b"async-prime-generator")),  # created_by
            _field(7, 6, _LIST, _list(_STRUCT, [_field(1, 0, _STRUCT, _STOP) + _STOP])),  # column_orders: by type
            _STOP,
        ]
    )
    return metadata + struct.pack("<I", len(metadata)) + MAGIC


def _row_group(chunk: RowGroup) -> bytes:
    size, primes = _integer(chunk.size), _integer(chunk.primes)
    return b"".join(
        [
            _CHUNK_HEAD,
            primes,  # num_values
            _field(6, 5, _I64, size),  # total_uncompressed_size
            _field(7, 6, _I64, size),  # total_compressed_size
            _field(9, 7, _I64, _integer(chunk.start)),  # data_page_offset
            _field(12, 9, _STRUCT, _statistics(chunk)),
            _STOP,  # of the column's metadata
            _STOP,  # of the column
            _field(2, 1, _I64, size),  # total_byte_size
            _field(3, 2, _I64, primes),  # num_rows
            _STOP,
        ]
    )


def _statistics(chunk: RowGroup) -> bytes:
    return b"".join(
        [
            _field(3, 0, _I64, _integer(0)),  # null_count
            _field(5, 3, _BINARY, _binary(struct.pack("<q", chunk.last))),  # max_value
            _field(6, 5, _BINARY, _binary(struct.pack("<q", chunk.first))),  # min_value
            _STOP,
        ]
    )


def _field(number: int, previous: int, kind: int, value: bytes) -> bytes:
    """A field of a structure; its number is told by the distance from the one before, below 16 throughout."""
    return bytes([(number - previous) << 4 | kind]) + value


def _list(kind: int, elements: Sequence[bytes]) -> bytes:
    length = len(elements)
    head = bytes([length << 4 | kind]) if length < _LONG_LIST else bytes([0xF0 | kind]) + _varint(length)
    return head + b"".join(elements)


def _binary(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _integer(value: int) -> bytes:
    """A signed number in zigzag form; there are no negative ones here."""
    return _varint(value << 1)


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


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

# Of a row group, what does not depend on the chunk: it begins with a list of one column.
_CHUNK_HEAD = (
    bytes([1 << 4 | _LIST, 1 << 4 | _STRUCT])  # columns
    + _field(2, 0, _I64, _integer(0))  # file_offset, of no use since the metadata stand here
    + bytes([1 << 4 | _STRUCT])  # meta_data
    + _field(1, 0, _I32, _integer(_INT64))  # type
    + _field(2, 1, _LIST, _list(_I32, [_integer(_RLE), _integer(_DELTA_BINARY_PACKED)]))  # encodings
    + _field(3, 2, _LIST, _list(_BINARY, [_binary(COLUMN.encode())]))  # path_in_schema
    + _field(4, 3, _I32, _integer(_UNCOMPRESSED))  # codec
    + bytes([1 << 4 | _I64])  # num_values
)
