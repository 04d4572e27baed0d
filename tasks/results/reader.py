"""Reads the primes of a job, for the API: slices, look-ups and whole results. Workers write them.

A small job's primes are stored with its record. Those of a large job are segments in the result store: such a job has
a `result_id`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from tasks.errors import SegmentMissing
from tasks.results import delta_codec
from tasks.results.source import ArraySource, SegmentSource

if TYPE_CHECKING:
    import numpy.typing as npt

    from tasks.jobs import Job
    from tasks.results.segments import SegmentStore
    from tasks.results.source import ResultSource

_EMPTY: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)


class EncodedResults(Protocol):
    """The store of the primes of small jobs: the job store."""

    async def get_encoded_result(self, job_id: str) -> bytes | None:
        """Returns the delta-encoded primes of a small job; None if they have expired."""
        ...


class ResultReader:
    """Reads the completed prefix of a result: all of it once the job has succeeded."""

    def __init__(self, encoded_results: EncodedResults, segments: SegmentStore) -> None:
        self._encoded_results = encoded_results
        self._segments = segments

    async def primes(self, job: Job, offset: int, count: int) -> npt.NDArray[np.uint64]:
        """Returns up to `count` primes from rank `offset` on, as far as the completed prefix goes; may be empty."""
        count = min(count, job.readable - offset)
        if offset < 0 or count <= 0:
            return _EMPTY
        if job.result_id is not None:
            return await self._segments.read(job.result_id, offset, count)
        encoded = await self._encoded_results.get_encoded_result(job.id)
        return _EMPTY if encoded is None else delta_codec.decode_slice(encoded, offset, count)

    async def index_of(self, job: Job, value: int) -> int | None:
        """Returns the rank of the first readable prime >= value; None if all are smaller."""
        if not job.readable or value > (job.last or value):
            return None
        if job.result_id is not None:
            return await self._segments.index_of(job.result_id, value, job.readable)
        encoded = await self._encoded_results.get_encoded_result(job.id)
        return None if encoded is None else int(np.searchsorted(delta_codec.decode(encoded), max(value, 0)))

    async def source(self, job: Job) -> ResultSource | None:
        """Returns the whole result of a succeeded job for an export; None if it has expired meanwhile."""
        if job.result_id is None:
            primes = await self.primes(job, 0, job.count)
            return ArraySource(primes) if primes.size == job.count else None
        try:
            await self._segments.layout(job.result_id, 0)
        except SegmentMissing:
            return None
        return SegmentSource(self._segments, job.result_id, job.count)
