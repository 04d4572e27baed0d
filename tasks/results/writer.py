"""Large results, for the worker: keeping segments, and the checksum of them all. Reading belongs to result_store.

Sync, because Celery is; underneath, each call has an event loop of its own, since only there a call to a disk that
hangs can be given up. Use it in the process that made it only: nothing of it survives a fork, which a pool's parent
finds out the hard way (see ObjectStore).
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
    """The worker's hand on the result store.

    Every method raises ResultStoreUnavailable when the store fails, or does not answer within object_store's limits.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    @classmethod
    def connect(cls, url: str) -> Self:
        """A writer to an address; nothing is sent.

        Raises:
            ValueError: results can't be kept there.
        """
        return cls(ObjectStore.connect(url))

    def put_segment(self, result_id: str, index: int, primes: npt.NDArray[np.uint64]) -> int:
        """Keep a segment, whole or not at all. Returns its size in bytes.

        The name says job and index but not the attempt: two attempts have the same primes, and so the same bytes, so
        whichever is later changes nothing. One that was made by another version may cut them otherwise; a reader
        that holds the older footer then finds that the checksums of its pages don't fit, and reads the newer one.
        """
        file = parquet.encode(primes)
        asyncio.run(self._objects.put(segment_name(result_id, index), file))
        return len(file)

    def sha256(self, result_id: str, count: int) -> str:
        """Hex digest of all `count` primes as little-endian unsigned 64-bit integers, in order.

        Once every segment is kept: they are read again, in order, in the memory of two. A
        digest can't be put together from those of its parts, and hashlib's can't be handed on half-way.

        Raises:
            SegmentMissing: a segment is not there.
            SegmentDamaged: a segment has not the primes that it should, or too many or few.
        """
        return asyncio.run(self._sha256(result_id, count))

    async def _sha256(self, result_id: str, count: int) -> str:
        digest = hashlib.sha256()
        # The one in use and the next, by turns.
        buffers = [np.empty(SEGMENT_PRIMES, dtype=PRIME_TYPE) for _ in range(2)]

        async def read(index: int) -> npt.NDArray[np.uint64]:
            file = await self._objects.get(segment_name(result_id, index))
            return await asyncio.to_thread(_unpack, file, segment_length(count, index), buffers[index % 2])

        # Unpacking takes as long as hashing, and both run beside one another: neither holds the interpreter lock.
        async for primes in prefetch(range(segment_count(count)), read):
            await asyncio.to_thread(digest.update, primes.data)
        return digest.hexdigest()


def _unpack(file: bytes, length: int, buffer: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    primes = parse_segment(parquet.decode, file, buffer)
    if primes.size != length:
        raise SegmentDamaged
    return primes
