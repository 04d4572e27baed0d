"""Reading the primes of a job: slices, single values, look-ups and whole files, for the API. Writing is the workers'.

A small job's primes are beside its record, others' in the result store; a job's `result_id` says which.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tasks.errors import SegmentMissing
from tasks.exports.source import ArraySource, StoredSource
from tasks.results import delta_codec

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.api.job_store import JobStore
    from tasks.exports.source import Source
    from tasks.jobs import Job
    from tasks.results.segments import SegmentStore

NO_PRIMES: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)


class ResultReader:
    """What can be read of jobs' results now: always a prefix, whole when the job succeeded."""

    def __init__(self, store: JobStore, files: SegmentStore) -> None:
        self._store = store
        self._files = files

    async def primes(self, job: Job, offset: int, count: int) -> npt.NDArray[np.uint64]:
        """Up to `count` primes from the zero-based index `offset` on; fewer, or none, where the prefix ends."""
        count = min(count, job.readable - offset)
        if offset < 0 or count <= 0:
            return NO_PRIMES
        if job.result_id is not None:
            return await self._files.read(job.result_id, offset, count)
        packed = await self._store.get_packed_result(job.id)
        return NO_PRIMES if packed is None else delta_codec.decode_slice(packed, offset, count)

    async def index_of(self, job: Job, value: int) -> int | None:
        """The index of the first readable prime >= value; None when there is none."""
        if not job.readable or value > (job.last or value):
            return None
        if job.result_id is not None:
            return await self._files.index_of(job.result_id, value, job.readable)
        packed = await self._store.get_packed_result(job.id)
        return None if packed is None else int(np.searchsorted(delta_codec.decode(packed), max(value, 0)))

    async def source(self, job: Job) -> Source | None:
        """All primes of a job that has succeeded, for a file of them; None when they have expired meanwhile."""
        if job.result_id is None:
            found = await self.primes(job, 0, job.count)
            return ArraySource(found) if found.size == job.count else None
        try:
            await self._files.layout(job.result_id, 0)
        except SegmentMissing:
            return None
        return StoredSource(self._files, job.result_id, job.count)
