"""Reading the primes of a job: slices, single values and look-ups, for the API. Writing them belongs to recorder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks import deltas

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.jobs import Job
    from tasks.store import Store

NO_PRIMES: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)


class Results:
    """What can be read of jobs' results now: always a prefix, whole when the job succeeded."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def primes(self, job: Job, offset: int, count: int) -> npt.NDArray[np.uint64]:
        """Up to `count` primes from the zero-based index `offset` on; fewer, or none, where the prefix ends."""
        count = min(count, job.readable - offset)
        if offset < 0 or count <= 0 or (packed := await self._store.result(job.id)) is None:
            return NO_PRIMES
        return deltas.unpack_slice(packed, offset, count)

    async def index_of(self, job: Job, value: int) -> int | None:
        """The index of the first readable prime >= value; None when there is none."""
        if not job.readable or value > (job.last or 0) or (packed := await self._store.result(job.id)) is None:
            return None
        return int(np.searchsorted(deltas.unpack(packed), max(value, 0)))
