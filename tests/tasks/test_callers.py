"""Jobs belong to their callers and do not exist for others, but all share one queue."""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tasks.api.feed import JobFeed
from tasks.api.job_store import JobStore
from tasks.api.rate_limit import SubmissionRateLimiter
from tasks.callers import ANYONE, Caller
from tasks.errors import IdempotencyConflict, JobNotFound
from tasks.jobs import JobStatus
from tasks.requests import JobPageRequest, PrimesRequest
from tasks.service import JobService, JobSystem
from tests.tasks.keys import compute_result, grant_claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.settings import JobSettings
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

ALICE, BOB = Caller("key:alice"), Caller("key:bob")
ALL_CALLERS = (ANYONE, ALICE, BOB)


@pytest_asyncio.fixture
async def system(settings: JobSettings) -> AsyncIterator[JobSystem]:
    system = JobSystem.connect(settings)
    system.start()
    yield system
    await system.stop()


async def ids_listed(system: JobSystem, caller: Caller) -> list[str]:
    page = await system.for_caller(caller).list_jobs(JobPageRequest(size=100))
    assert page.total == len(page.jobs)
    assert (page.newer, page.older) == (0, 0)
    return [job.id for job in page.jobs]


async def assert_not_found(service: JobService, job_id: str) -> None:
    """Assert that the job is not found by any method."""
    assert await service.get_job(job_id) is None
    assert await service.get_jobs([job_id]) == [None]
    assert job_id not in [job.id for job in (await service.list_jobs(JobPageRequest(size=100))).jobs]
    for method in (service.cancel_job, service.retry_job):
        with pytest.raises(JobNotFound):
            await method(job_id)
    with pytest.raises(JobNotFound):
        async with aclosing(service.watch_job(job_id)) as updates:
            await anext(updates)


@pytest.mark.parametrize("owner", ALL_CALLERS)
async def test_job_exists_for_its_caller_only(system: JobSystem, recorder: JobRecorder, owner: Caller) -> None:
    """In every status. The anonymous caller is a caller like any other."""
    mine = system.for_caller(owner)
    others = [system.for_caller(caller) for caller in ALL_CALLERS if caller != owner]
    job = (await mine.submit_job(PrimesRequest(10))).job
    for other in others:
        await assert_not_found(other, job.id)
    claim = grant_claim(recorder, job)
    for other in others:
        await assert_not_found(other, job.id)
    recorder.complete_segment(claim, compute_result(claim))
    for other in others:
        await assert_not_found(other, job.id)
    done = await mine.get_job(job.id)
    assert done is not None
    assert done.status is JobStatus.SUCCEEDED
    assert await ids_listed(system, owner) == [job.id]


async def test_each_caller_lists_and_counts_its_own_jobs(system: JobSystem) -> None:
    submitted = {
        caller: [(await system.for_caller(caller).submit_job(PrimesRequest(10))).job.id for _ in range(3)]
        for caller in ALL_CALLERS
    }
    await system.for_caller(BOB).cancel_job(submitted[BOB][1])
    for caller in ALL_CALLERS:
        # Jobs of the same millisecond are ordered by id.
        assert await ids_listed(system, caller) == sorted(submitted[caller], reverse=True)


async def test_jobs_of_all_callers_share_one_queue(system: JobSystem) -> None:
    jobs = [
        (await system.for_caller(caller).submit_job(PrimesRequest(10))).job for caller in (ALICE, ANYONE, BOB, ALICE)
    ]
    ids = sorted(job.id for job in jobs)
    assert (await system.get_system_state()).queue.queued == 4
    for caller, job in zip((ALICE, ANYONE, BOB, ALICE), jobs, strict=True):
        found = await system.for_caller(caller).get_job(job.id)
        assert found is not None
        assert found.queue_position == ids.index(job.id)


async def test_idempotency_keys_are_separate_for_each_caller(system: JobSystem) -> None:
    ids = set()
    for caller in ALL_CALLERS:
        mine = system.for_caller(caller)
        first = await mine.submit_job(PrimesRequest(10, idempotency_key="the-same"))
        again = await mine.submit_job(PrimesRequest(10, idempotency_key="the-same"))
        assert (first.replayed, again.replayed, again.job.id) == (False, True, first.job.id)
        with pytest.raises(IdempotencyConflict):
            await mine.submit_job(PrimesRequest(11, idempotency_key="the-same"))
        ids.add(first.job.id)
    assert len(ids) == len(ALL_CALLERS)


async def test_retry_belongs_to_the_same_caller(system: JobSystem) -> None:
    mine = system.for_caller(ALICE)
    job = (await mine.submit_job(PrimesRequest(10))).job
    await mine.cancel_job(job.id)
    again = await mine.retry_job(job.id)
    await assert_not_found(system.for_caller(BOB), again.id)
    await assert_not_found(system.for_caller(ANYONE), again.id)
    assert again.retry_of == job.id


async def test_subscriptions_of_other_callers_fail_without_side_effects(system: JobSystem) -> None:
    job = (await system.for_caller(ALICE).submit_job(PrimesRequest(10))).job
    async with aclosing(system.for_caller(ALICE).watch_job(job.id)) as updates:
        assert (await anext(updates)).job.status is JobStatus.QUEUED
        await assert_not_found(system.for_caller(BOB), job.id)
        await system.for_caller(ALICE).cancel_job(job.id)
        async with asyncio.timeout(10):
            assert (await anext(updates)).job.status is JobStatus.CANCELLED


async def test_expired_job_is_removed_from_its_owner_s_list(system: JobSystem, keys: Keys) -> None:
    mine = system.for_caller(ALICE)
    expired = (await mine.submit_job(PrimesRequest(10))).job
    kept = (await mine.submit_job(PrimesRequest(10))).job
    keys.client.delete(f"{keys.prefix}job:{expired.id}", f"{keys.prefix}job:{expired.id}:segments")
    keys.client.zadd(f"{keys.prefix}expiry", {f"{expired.id} key:alice": 1}, xx=True)
    assert await ids_listed(system, ALICE) == [kept.id]
    assert (await system.get_system_state()).queue.queued == 1


def test_record_without_owner_belongs_to_the_anonymous_caller(keys: Keys, settings: JobSettings) -> None:
    """As are records from before owners were introduced."""

    async def submitted() -> str:
        system = JobSystem.connect(settings)
        try:
            return (await system.for_caller(ANYONE).submit_job(PrimesRequest(10))).job.id
        finally:
            await system.stop()

    job_id = asyncio.run(submitted())
    assert "owner" not in keys.record(job_id)
    assert keys.job_ids_with_status(JobStatus.QUEUED) == {job_id}


@pytest.mark.parametrize("part", [JobSystem, JobService, JobStore, JobFeed, SubmissionRateLimiter])
def test_no_method_assumes_a_caller(part: type) -> None:
    methods = inspect.getmembers(part, inspect.isfunction)
    parameters = [(name, inspect.signature(method).parameters.get("caller")) for name, method in methods]
    defaults = {name: caller.default for name, caller in parameters if caller is not None}
    assert defaults
    assert set(defaults.values()) == {inspect.Parameter.empty}


@pytest.mark.parametrize(
    "owner", ["alice", "key:", "key:a b", "key:a:b", "key:" + "a" * 65, "KEY:a", "key:é", "key:a\n"]
)
def test_ambiguous_owner_is_refused(owner: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        Caller(owner)
