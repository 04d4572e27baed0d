"""Slices of a stored result, and look-ups of values in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.callers import ANYONE
from tasks.requests import PrimesRequest
from tasks.results.reader import ResultReader
from tasks.results.segments import SegmentStore
from tests.tasks.engine.sieve import primes_below
from tests.tasks.keys import compute_result, grant_claim

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

SEGMENTS = SegmentStore.connect("memory://")
PRIMES = primes_below(8000).tolist()[:1000]


@pytest.fixture
async def finished(store: JobStore, recorder: JobRecorder) -> Job:
    job = (await store.submit_job(PrimesRequest(1000), ANYONE)).job
    claim = grant_claim(recorder, job)
    recorder.complete_segment(claim, compute_result(claim))
    [found] = await store.get_jobs([job.id], ANYONE)
    assert found is not None
    return found


@pytest.mark.parametrize("size", [1, 7, 500, 1000, 1001, 2**60])
async def test_consecutive_slices_joined_equal_the_whole(store: JobStore, finished: Job, size: int) -> None:
    results, found = ResultReader(store, SEGMENTS), []
    step = min(size, 1001)
    for offset in range(0, 1000, step if size > 1 else 50):
        count = max(1, size)
        page = (await results.primes(finished, offset, count)).tolist()
        assert page == PRIMES[offset : offset + count]
        found += page
    if size > 1:
        assert found == PRIMES


@pytest.mark.parametrize(("offset", "count"), [(1000, 1), (2**60, 5), (-1, 5), (0, 0), (0, -1), (5, -(2**60))])
async def test_a_slice_outside_the_result_is_empty(store: JobStore, finished: Job, offset: int, count: int) -> None:
    assert (await ResultReader(store, SEGMENTS).primes(finished, offset, count)).size == 0


@pytest.mark.parametrize(
    ("value", "index"),
    [(-(2**70), 0), (-1, 0), (0, 0), (2, 0), (3, 1), (4, 2), (7918, 999), (7919, 999), (7920, None), (2**70, None)],
)
async def test_index_of_returns_the_rank_of_the_first_prime_at_or_above_a_value(
    store: JobStore, finished: Job, value: int, index: int | None
) -> None:
    assert await ResultReader(store, SEGMENTS).index_of(finished, value) == index


async def test_nothing_is_readable_before_the_job_has_finished(store: JobStore) -> None:
    job = (await store.submit_job(PrimesRequest(10), ANYONE)).job
    assert (await ResultReader(store, SEGMENTS).primes(job, 0, 10)).size == 0
    assert await ResultReader(store, SEGMENTS).index_of(job, 2) is None


async def test_a_result_that_expires_between_two_reads_is_empty(store: JobStore, finished: Job, keys: Keys) -> None:
    keys.client.delete(f"{keys.prefix}job:{finished.id}:result")
    assert (await ResultReader(store, SEGMENTS).primes(finished, 0, 10)).size == 0
    assert await ResultReader(store, SEGMENTS).index_of(finished, 2) is None
