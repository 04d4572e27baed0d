"""Writes segments of large results and computes their checksum, for the worker. tasks.results.segments reads them.

The interface is synchronous, as Celery tasks are; each call runs its own event loop, because only asyncio can time out
a call to a disk that hangs. Create a writer in the process that uses it: it does not survive a fork (see ObjectStore).
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Self

import numpy as np

from tasks.errors import SegmentDamaged
from tasks.jobs import SEGMENT_PRIMES, segment_count, segment_length
from tasks.results import parquet
from tasks.results.delta_codec import PRIME_TYPE
from tasks.results.object_store import ObjectStore
from tasks.results.prefetch import prefetch
from tasks.results.segments import parse_segment, segment_name

if TYPE_CHECKING:
    import numpy.typing as npt


class SegmentWriter:
    """Writes segments to the object store.

    Every method raises ResultStoreUnavailable when the object store fails or exceeds its timeout.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @classmethod
    def connect(cls, url: str) -> Self:
        """A writer to a URL; sends no request.

        Raises:
            ValueError: the URL is unsupported or unusable.
        """
        return cls(ObjectStore.connect(url))

    def put_segment(self, result_id: str, index: int, primes: npt.NDArray[np.uint64]) -> int:
        """Writes a segment atomically. Returns the file's size in bytes.

        The name contains result and index but not the attempt: two attempts write the same bytes, so the later one
        changes nothing. Another version of the program may choose other row groups; a reader with the older footer then
        gets a checksum error and reads the new footer.
        """
        file = parquet.encode(primes)
        asyncio.run(self._objects.put(segment_name(result_id, index), file))
        return len(file)

    def sha256(self, result_id: str, count: int) -> str:
        """Returns the hex SHA-256 of all `count` primes as little-endian unsigned 64-bit integers, in order.

        Call it when every segment is stored: it reads them again, in order, in the memory of two segments. SHA-256 is
        sequential, so the digests of segments cannot be combined, and hashlib cannot pass on an unfinished digest.

        Raises:
            SegmentMissing: a segment does not exist.
            SegmentDamaged: a segment cannot be decoded, or has another number of primes than expected.
        """
        return asyncio.run(self._sha256(result_id, count))

    async def _sha256(self, result_id: str, count: int) -> str:
        digest = hashlib.sha256()
        # Used alternately: one is hashed while the next segment is decoded into the other.
        buffers = [np.empty(SEGMENT_PRIMES, dtype=PRIME_TYPE) for _ in range(2)]

        async def read(index: int) -> npt.NDArray[np.uint64]:
            file = await self._objects.get(segment_name(result_id, index))
            return await asyncio.to_thread(_decode, file, segment_length(count, index), buffers[index % 2])

        # Decoding takes as long as hashing, and both release the interpreter lock, so they run in parallel.
        async for primes in prefetch(range(segment_count(count)), read):
            await asyncio.to_thread(digest.update, primes.data)
        return digest.hexdigest()


def _decode(file: bytes, length: int, buffer: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    primes = parse_segment(parquet.decode, file, buffer)
    if primes.size != length:
        raise SegmentDamaged
    return primes
