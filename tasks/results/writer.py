"""Writes segments of large results, for the worker. tasks.results.segments reads them.

The interface is synchronous, as Celery tasks are. Each process has one thread with an event loop, because only asyncio
can time out a call to a disk that hangs, and one thread that encodes. Use a writer in the process that created it: it
does not survive a fork (see ObjectStore).
"""

from __future__ import annotations

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Self

from tasks.results import parquet
from tasks.results.object_store import ObjectStore
from tasks.results.segments import segment_name

if TYPE_CHECKING:
    from concurrent.futures import Future

    import numpy as np
    import numpy.typing as npt

LOOP_THREAD = "result store"


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

    def put_segment(self, result_id: str, index: int, file: bytes) -> None:
        """Writes the file of a segment atomically, with retries through short outages of the object store.

        The name contains result and index but not the attempt: two attempts write the same bytes, so the later one
        changes nothing. Another version of the program may choose other row groups; a reader with the older footer then
        gets a checksum error and reads the new footer.
        """
        writing = self._objects.put_with_retries(segment_name(result_id, index), file)
        asyncio.run_coroutine_threadsafe(writing, _loop(os.getpid())).result()


def encode_in_background(primes: npt.NDArray[np.uint64]) -> Future[bytes]:
    """Encodes a file in another thread of this process. The caller must not change the primes."""
    return _encoding_thread(os.getpid()).submit(parquet.encode, primes)


@cache
def _loop(_pid: int) -> asyncio.AbstractEventLoop:
    """The event loop of this process."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name=LOOP_THREAD, daemon=True).start()
    return loop


@cache
def _encoding_thread(_pid: int) -> ThreadPoolExecutor:
    """The thread of this process that encodes."""
    return ThreadPoolExecutor(1, "encoder")
