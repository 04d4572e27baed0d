"""Primes as delta-coded bytes, the form in which results are kept, and their checksum.

Shared by the worker half, which packs, and the API half, which unpacks; needs numpy only. Where the bytes are kept
belongs to the record and the store.

    offset  size          field
    0       1             version of this format, 1
    1       1             width of a gap in bytes: 1 while every gap is below 256, else 2
    2       8             count of the primes
    10      8             first prime; 0 when there is none
    18      width each    count - 1 gaps, each from one prime to the next

All numbers are unsigned and little-endian. The largest gap below 2^64 is 1550, so two bytes hold every one.
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
PRIME_TYPE = np.dtype("<u8")


def encode(primes: npt.NDArray[np.uint64]) -> bytes:
    """Code ascending primes.

    Raises:
        ValueError: not ascending, or a gap too wide for the format.
    """
    gaps = np.diff(primes)
    width = gap_width(gaps)
    first = int(primes[0]) if primes.size else 0
    return HEADER.pack(VERSION, width, primes.size, first) + gaps.astype(GAP_TYPES[width]).tobytes()


def decode(data: bytes) -> npt.NDArray[np.uint64]:
    """The primes that were packed.

    Raises:
        ValueError: the data is malformed; says in what.
    """
    count, first, gaps = parse(data)
    return add_up(first, gaps) if count else np.empty(0, dtype=np.uint64)


def decode_slice(data: bytes, offset: int, count: int) -> npt.NDArray[np.uint64]:
    """As `decode(data)[offset : offset + count]`, without expanding what lies outside.

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
    return add_up(first, gaps[offset : offset + count - 1])


def sha256(primes: npt.NDArray[np.uint64]) -> str:
    """Hex digest of the primes as little-endian unsigned 64-bit integers, in order."""
    return hashlib.sha256(np.ascontiguousarray(primes, dtype=PRIME_TYPE).data).hexdigest()


def gap_width(gaps: npt.NDArray[np.uint64]) -> int:
    """Bytes needed for the widest gap."""
    # Of unsigned numbers in descending order the difference wraps round to a huge one, so this finds those too.
    widest = int(gaps.max(initial=0))
    for width, gap_type in GAP_TYPES.items():
        if widest <= np.iinfo(gap_type).max:
            return width
    raise ValueError(f"a gap is {widest}, must be 0 to {np.iinfo(GAP_TYPES[2]).max} in ascending primes")


def parse(data: bytes) -> tuple[int, int, npt.NDArray[np.unsignedinteger]]:
    """Count, first prime and gaps, the latter in place; refuses what `encode` does not write."""
    if len(data) < HEADER.size:
        raise ValueError(f"packed primes are truncated: {len(data)} bytes, the header alone has {HEADER.size}")
    version, width, count, first = HEADER.unpack_from(data)
    if version != VERSION:
        raise ValueError(f"packed primes have version {version}, must be {VERSION}")
    if width not in GAP_TYPES:
        raise ValueError(f"packed primes have gaps of {width} bytes, must be 1 or 2")
    expected = HEADER.size + max(count - 1, 0) * width
    if len(data) != expected:
        flaw = "truncated" if len(data) < expected else "too long"
        raise ValueError(f"packed primes are {flaw}: {len(data)} bytes, must be {expected} for {count} primes")
    return count, first, np.frombuffer(data, dtype=GAP_TYPES[width], offset=HEADER.size)


def add_up(first: int, gaps: npt.NDArray[np.unsignedinteger]) -> npt.NDArray[np.uint64]:
    """The prime `first` and those that follow it at these gaps."""
    primes = np.empty(gaps.size + 1, dtype=np.uint64)
    primes[0] = first
    primes[1:] = gaps
    return np.cumsum(primes, out=primes)
