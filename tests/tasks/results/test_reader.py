"""Slices of kept primes, and where a value stands among them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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

FILES = SegmentStore.connect("memory://")
PRIMES = primes_below(8000).tolist()[:1000]


@pytest.fixture
async def done(store: JobStore, recorder: JobRecorder) -> Job:
    job = (await store.submit_job(PrimesRequest(1000))).job
    claim = grant_claim(recorder, job)
    recorder.complete_segment(claim, compute_result(claim))
    [found] = await store.get_jobs([job.id])
    assert found is not None
    return found


@pytest.mark.parametrize("size", [1, 7, 500, 1000, 1001, 2**60])
async def test_pages_joined_are_the_whole(store: JobStore, done: Job, size: int) -> None:
    results, found = ResultReader(store, FILES), []
    step = min(size, 1001)
    for offset in range(0, 1000, step if size > 1 else 50):
        wanted = max(1, size)
        page = (await results.primes(done, offset, wanted)).tolist()
        assert page == PRIMES[offset : offset + wanted]
        found += page
    if size > 1:
        assert found == PRIMES


@pytest.mark.parametrize(("offset", "count"), [(1000, 1), (2**60, 5), (-1, 5), (0, 0), (0, -1), (5, -(2**60))])
async def test_there_is_nothing_outside(store: JobStore, done: Job, offset: int, count: int) -> None:
    assert (await ResultReader(store, FILES).primes(done, offset, count)).size == 0


@pytest.mark.parametrize(
    ("value", "index"),
    [(-(2**70), 0), (-1, 0), (0, 0), (2, 0), (3, 1), (4, 2), (7918, 999), (7919, 999), (7920, None), (2**70, None)],
)
async def test_the_first_prime_not_below_a_value_is_found(
    store: JobStore, done: Job, value: int, index: int | None
) -> None:
    assert await ResultReader(store, FILES).index_of(done, value) == index


async def test_nothing_can_be_read_of_a_job_that_is_not_done(store: JobStore) -> None:
    job = (await store.submit_job(PrimesRequest(10))).job
    assert (await ResultReader(store, FILES).primes(job, 0, 10)).size == 0
    assert await ResultReader(store, FILES).index_of(job, 2) is None


async def test_a_result_that_expires_between_two_looks_is_empty(store: JobStore, done: Job, keys: Keys) -> None:
    keys.client.delete(f"{keys.prefix}job:{done.id}:result")
    assert (await ResultReader(store, FILES).primes(done, 0, 10)).size == 0
    assert await ResultReader(store, FILES).index_of(done, 2) is None
