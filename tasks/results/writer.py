"""Writes segments of large results, for the worker. tasks.results.segments reads them.

The interface is synchronous, as Celery tasks are; each call runs its own event loop, because only asyncio can time out
a call to a disk that hangs. Create a writer in the process that uses it: it does not survive a fork (see ObjectStore).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

from tasks.results import parquet
from tasks.results.object_store import ObjectStore
from tasks.results.segments import segment_name

if TYPE_CHECKING:
    import numpy as np
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
