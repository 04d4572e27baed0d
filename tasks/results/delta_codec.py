"""Delta encoding of primes, the format in which small results are stored, and the checksum of primes.

Workers encode, the API decodes; needs numpy only. The job record and tasks.storage say where the bytes are stored.

    offset  size          field
    0       1             version of the format: 1
    1       1             width of a gap in bytes: 1 while every gap is below 256, else 2
    2       8             number of primes
    10      8             first prime; 0 if there are no primes
    18      width each    count - 1 gaps between consecutive primes

All numbers are unsigned and little-endian. The largest prime gap below 2^64 is 1550, so two bytes hold every gap.
"""

from __future__ import annotations

import hashlib
import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

VERSION = 1
HEADER = struct.Struct("<BBQQ")
GAP_TYPES: dict[int, np.dtype[np.unsignedinteger]] = {1: np.dtype("<u1"), 2: np.dtype("<u2")}
WIDEST_GAPS = {width: int(np.iinfo(gap_type).max) for width, gap_type in GAP_TYPES.items()}
PRIME_TYPE = np.dtype("<u8")


def encode(primes: npt.NDArray[np.uint64]) -> bytes:
    """Encodes ascending primes, possibly none, in one or two bytes per prime.

    Raises:
        ValueError: the numbers do not ascend, or a gap exceeds 65535.
    """
    gaps = primes[1:] - primes[:-1]
    width = gap_width(gaps)
    first = int(primes[0]) if primes.size else 0
    return HEADER.pack(VERSION, width, primes.size, first) + gaps.astype(GAP_TYPES[width]).tobytes()


def decode(data: bytes) -> npt.NDArray[np.uint64]:
    """Returns the encoded primes.

    Raises:
        ValueError: the data is malformed; the message says how.
    """
    count, first, gaps = parse(data)
    return accumulate(first, gaps) if count else np.empty(0, dtype=np.uint64)


def decode_slice(data: bytes, offset: int, count: int) -> npt.NDArray[np.uint64]:
    """Returns `decode(data)[offset : offset + count]` without decoding the rest.

    Raises:
        ValueError: the data is malformed, or `offset` or `count` is negative.
    """
    if offset < 0 or count < 0:
        raise ValueError(f"offset is {offset} and count {count}, must be at least 0")
    total, first, gaps = parse(data)
    count = min(count, total - offset)
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    first += int(gaps[:offset].sum(dtype=np.uint64))
    return accumulate(first, gaps[offset : offset + count - 1])


def sha256(primes: npt.NDArray[np.uint64]) -> str:
    """Returns the hex SHA-256 of the primes as little-endian unsigned 64-bit integers, in order."""
    return hashlib.sha256(np.ascontiguousarray(primes, dtype=PRIME_TYPE).data).hexdigest()


def gap_width(gaps: npt.NDArray[np.uint64]) -> int:
    """Returns the number of bytes needed for the widest gap, 1 or 2."""
    # Unsigned differences of descending numbers wrap around to huge values, so this detects them too.
    widest = int(gaps.max(initial=0))
    for width, widest_gap in WIDEST_GAPS.items():
        if widest <= widest_gap:
            return width
    raise ValueError(f"a gap is {widest}, must be 0 to {WIDEST_GAPS[2]} in ascending primes")


def parse(data: bytes) -> tuple[int, int, npt.NDArray[np.unsignedinteger]]:
    """Returns count, first prime and gaps (a view of `data`).

    Raises:
        ValueError: `encode` did not write this.
    """
    if len(data) < HEADER.size:
        raise ValueError(f"encoded primes are truncated: {len(data)} bytes, the header alone has {HEADER.size}")
    version, width, count, first = HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"encoded primes have version {version}, must be {VERSION}")
    if width not in GAP_TYPES:
        raise ValueError(f"encoded primes have gaps of {width} bytes, must be 1 or 2")
    expected = HEADER.size + max(count - 1, 0) * width
    if len(data) != expected:
        flaw = "truncated" if len(data) < expected else "too long"
        raise ValueError(f"encoded primes are {flaw}: {len(data)} bytes, must be {expected} for {count} primes")
    return count, first, np.frombuffer(data, dtype=GAP_TYPES[width], offset=HEADER.size)


def accumulate(first: int, gaps: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.uint64]:
    """Returns the prime `first` and those that follow it at these gaps."""
    primes = np.empty(gaps.size + 1, dtype=np.uint64)
    primes[0] = first
    primes[1:] = gaps
    return np.cumsum(primes, out=primes)
