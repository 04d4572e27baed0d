"""Jobs belong to their callers: to all others they are as if they had never been, and yet they wait in one queue."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tasks.callers import ANYONE, Caller
from tasks.errors import IdempotencyConflict, JobNotFound
from tasks.jobs import JobStatus
from tasks.requests import JobPageRequest, PrimesRequest
from tasks.service import JobService
from tests.tasks.keys import compute_result, grant_claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.settings import JobSettings
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

ALICE, BOB = Caller("key:alice"), Caller("key:bob")
EVERYBODY = (ANYONE, ALICE, BOB)


@pytest_asyncio.fixture
async def service(settings: JobSettings) -> AsyncIterator[JobService]:
    service = JobService.connect(settings)
    service.start()
    yield service
    await service.stop()


async def ids_listed(service: JobService, caller: Caller) -> list[str]:
    page = await service.for_caller(caller).list_jobs(JobPageRequest(size=100))
    assert page.total == len(page.jobs)
    assert (page.newer, page.older) == (0, 0)
    return [job.id for job in page.jobs]


async def unseen(service: JobService, job_id: str) -> None:
    """Whether each way to a job leads nowhere."""
    assert await service.get_job(job_id) is None
    assert await service.get_jobs([job_id]) == [None]
    assert job_id not in [job.id for job in (await service.list_jobs(JobPageRequest(size=100))).jobs]
    for refused in (service.cancel_job, service.retry_job):
        with pytest.raises(JobNotFound):
            await refused(job_id)
    with pytest.raises(JobNotFound):
        async with aclosing(service.watch_job(job_id)) as states:
            await anext(states)


@pytest.mark.parametrize("owner", EVERYBODY)
async def test_a_job_is_there_for_its_caller_alone(service: JobService, recorder: JobRecorder, owner: Caller) -> None:
    """In each state of its life, and to nobody in particular as little as to others."""
    mine = service.for_caller(owner)
    others = [service.for_caller(caller) for caller in EVERYBODY if caller != owner]
    job = (await mine.submit_job(PrimesRequest(10))).job
    for other in others:
        await unseen(other, job.id)
    claim = grant_claim(recorder, job)
    for other in others:
        await unseen(other, job.id)
    recorder.complete_segment(claim, compute_result(claim))
    for other in others:
        await unseen(other, job.id)
    done = await mine.get_job(job.id)
    assert done is not None
    assert done.status is JobStatus.SUCCEEDED
    assert await ids_listed(service, owner) == [job.id]


async def test_each_caller_lists_and_counts_its_own_jobs(service: JobService) -> None:
    submitted = {
        caller: [(await service.for_caller(caller).submit_job(PrimesRequest(10))).job.id for _ in range(3)]
        for caller in EVERYBODY
    }
    await service.for_caller(BOB).cancel_job(submitted[BOB][1])
    for caller in EVERYBODY:
        # Those of one millisecond are in the order of their ids.
        assert await ids_listed(service, caller) == sorted(submitted[caller], reverse=True)


async def test_all_wait_in_one_queue(service: JobService) -> None:
    jobs = [
        (await service.for_caller(caller).submit_job(PrimesRequest(10))).job for caller in (ALICE, ANYONE, BOB, ALICE)
    ]
    ids = sorted(job.id for job in jobs)
    assert (await service.get_system_state()).queue.queued == 4
    for caller, job in zip((ALICE, ANYONE, BOB, ALICE), jobs, strict=True):
        found = await service.for_caller(caller).get_job(job.id)
        assert found is not None
        assert found.queue_position == ids.index(job.id)


async def test_an_idempotency_key_is_its_caller_s(service: JobService) -> None:
    ids = set()
    for caller in EVERYBODY:
        mine = service.for_caller(caller)
        first = await mine.submit_job(PrimesRequest(10, idempotency_key="the-same"))
        again = await mine.submit_job(PrimesRequest(10, idempotency_key="the-same"))
        assert (first.replayed, again.replayed, again.job.id) == (False, True, first.job.id)
        with pytest.raises(IdempotencyConflict):
            await mine.submit_job(PrimesRequest(11, idempotency_key="the-same"))
        ids.add(first.job.id)
    assert len(ids) == len(EVERYBODY)


async def test_a_retry_belongs_to_the_caller_too(service: JobService) -> None:
    mine = service.for_caller(ALICE)
    job = (await mine.submit_job(PrimesRequest(10))).job
    await mine.cancel_job(job.id)
    again = await mine.retry_job(job.id)
    await unseen(service.for_caller(BOB), again.id)
    await unseen(service, again.id)
    assert again.retry_of == job.id


async def test_subscribers_of_others_are_told_nothing_and_stop_nobody(service: JobService) -> None:
    job = (await service.for_caller(ALICE).submit_job(PrimesRequest(10))).job
    async with aclosing(service.for_caller(ALICE).watch_job(job.id)) as states:
        assert (await anext(states)).status is JobStatus.QUEUED
        await unseen(service.for_caller(BOB), job.id)
        await service.for_caller(ALICE).cancel_job(job.id)
        async with asyncio.timeout(10):
            assert (await anext(states)).status is JobStatus.CANCELLED


async def test_what_has_expired_is_forgotten_for_its_owner_as_well(service: JobService, keys: Keys) -> None:
    mine = service.for_caller(ALICE)
    gone = (await mine.submit_job(PrimesRequest(10))).job
    left = (await mine.submit_job(PrimesRequest(10))).job
    keys.client.delete(f"{keys.prefix}job:{gone.id}", f"{keys.prefix}job:{gone.id}:segments")
    keys.client.zadd(f"{keys.prefix}expiry", {f"{gone.id} key:alice": 1}, xx=True)
    assert await ids_listed(service, ALICE) == [left.id]
    assert (await service.get_system_state()).queue.queued == 1


def test_a_record_without_an_owner_is_nobody_s_in_particular(keys: Keys, settings: JobSettings) -> None:
    """So are those that were written before there were owners."""

    async def submitted() -> str:
        service = JobService.connect(settings)
        try:
            return (await service.submit_job(PrimesRequest(10))).job.id
        finally:
            await service.stop()

    job_id = asyncio.run(submitted())
    assert "owner" not in keys.record(job_id)
    assert keys.job_ids_with_status(JobStatus.QUEUED) == {job_id}


@pytest.mark.parametrize(
    "owner", ["alice", "key:", "key:a b", "key:a:b", "key:" + "a" * 65, "KEY:a", "key:é", "key:a\n"]
)
def test_an_owner_can_t_be_taken_for_another_part_of_a_key(owner: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        Caller(owner)
