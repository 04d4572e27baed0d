"""Waiting for updates of a job, and what the service adds to its parts."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable, InvalidRequest, ResultStoreUnavailable
from tasks.jobs import JobStatus
from tasks.requests import PrimesRequest
from tasks.service import JobService, JobSystem
from tasks.settings import JobSettings
from tasks.settings.store_url import StoreUrl
from tests import programs
from tests.stopwatch import Stopwatch
from tests.tasks.keys import fake_result, grant_claim
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tasks.jobs import Job
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

UNKNOWN = "01945b7e-1c2d-7abc-8def-0123456789ab"
LONG = timedelta(seconds=20)
SHORT = timedelta(milliseconds=200)


@pytest_asyncio.fixture
async def system(settings: JobSettings) -> AsyncIterator[JobSystem]:
    system = JobSystem.connect(settings)
    system.start()
    yield system
    await system.stop()


@pytest.fixture
def service(system: JobSystem) -> JobService:
    return system.for_caller(ANYONE)


async def submit_job(service: JobService) -> Job:
    return (await service.submit_job(PrimesRequest(10))).job


async def start_waiting(
    system: JobSystem, job: Job, after_version: int | None = None, wait: timedelta = LONG
) -> asyncio.Task[Job | None]:
    """Start waiting for an update. Returns once the wait is subscribed and has read the job."""
    before = system.subscribers
    task = asyncio.create_task(system.for_caller(ANYONE).get_job(job.id, wait, after_version))

    async def subscribed() -> bool:
        return system.subscribers > before

    await eventually(subscribed)
    # Subscribers share their reads: when this one has the job, the wait has it too.
    async with aclosing(system.for_caller(ANYONE).watch_job(job.id)) as updates:
        await anext(updates)
    return task


async def try_cancel(service: JobService, job: Job) -> bool:
    try:
        await service.cancel_job(job.id)
    except BackendUnavailable:
        return False
    return True


async def test_request_out_of_bounds_is_refused(service: JobService, settings: JobSettings) -> None:
    with pytest.raises(InvalidRequest):
        await service.submit_job(PrimesRequest(settings.max_count + 1))


async def test_without_wait_the_current_state_is_returned(service: JobService) -> None:
    job = await submit_job(service)
    found = await service.get_job(job.id)
    assert found is not None
    assert found.version == 1
    assert await service.get_job(UNKNOWN, LONG) is None


async def test_wait_returns_at_the_final_state(system: JobSystem, service: JobService, recorder: JobRecorder) -> None:
    job = await submit_job(service)
    task = await start_waiting(system, job)
    recorder.complete_segment(grant_claim(recorder, job), fake_result())
    found = await asyncio.wait_for(task, 5)
    assert found is not None
    assert found.status is JobStatus.SUCCEEDED
    assert system.subscribers == 0


async def test_wait_after_version_returns_at_the_next_version(
    system: JobSystem, service: JobService, recorder: JobRecorder
) -> None:
    job = await submit_job(service)
    task = await start_waiting(system, job, after_version=1)
    grant_claim(recorder, job)
    found = await asyncio.wait_for(task, 5)
    assert found is not None
    assert (found.status, found.version) == (JobStatus.RUNNING, 2)


async def test_wait_returns_immediately_if_the_update_already_exists(
    service: JobService, recorder: JobRecorder
) -> None:
    job = await submit_job(service)
    grant_claim(recorder, job)
    watch = Stopwatch()
    found = await service.get_job(job.id, LONG, after_version=1)
    cancelled = await service.cancel_job(job.id)
    assert (await service.wait_for_update(cancelled, LONG)) is cancelled
    assert watch.stop().seconds < 5
    assert found is not None
    assert found.version == 2


async def test_wait_returns_the_newest_state_when_time_is_up(
    system: JobSystem, service: JobService, recorder: JobRecorder
) -> None:
    job = await submit_job(service)
    grant_claim(recorder, job)
    with Stopwatch() as watch:
        found = await service.wait_for_update(job, SHORT)
    assert found is not None
    assert watch.elapsed >= SHORT.total_seconds()
    assert watch.seconds < 5
    assert (found.status, found.version) == (JobStatus.RUNNING, 2)
    assert system.subscribers == 0


@pytest.mark.parametrize("wait", [timedelta(seconds=1.5), LONG])
async def test_wait_for_a_job_that_disappears_returns_none(
    system: JobSystem, service: JobService, keys: Keys, wait: timedelta
) -> None:
    """Without an event: it expires, or an operator deletes it."""
    job = await submit_job(service)
    task = await start_waiting(system, job, wait=wait)
    keys.client.delete(f"{keys.prefix}job:{job.id}")
    assert await asyncio.wait_for(task, 10) is None
    assert system.subscribers == 0


async def test_wait_returns_the_last_known_state_during_an_outage(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server:
        system = JobSystem.connect(JobSettings(redis_url=server.url, key_prefix="own:"))
        system.start()
        service = system.for_caller(ANYONE)
        job = await submit_job(service)
        task = await start_waiting(system, job)
        assert server.program is not None
        server.program.kill()
        assert await service.wait_for_update(job, SHORT) == job
        await system.stop()
        # Shutdown also ends waits that are still in progress.
        found = await asyncio.wait_for(task, 5)
    assert found is not None
    assert found.id == job.id


async def test_wait_continues_after_an_outage(tmp_path: Path, settings: JobSettings) -> None:
    with programs.valkey(tmp_path, appendfsync="always") as server:
        system = JobSystem.connect(
            settings.model_copy(update={"redis_url": StoreUrl.parse(server.url), "key_prefix": "own:"})
        )
        system.start()
        service = system.for_caller(ANYONE)
        job = await submit_job(service)
        task = await start_waiting(system, job)
        assert server.program is not None
        server.program.kill()
        with programs.valkey(tmp_path, server.port):
            await eventually(lambda: try_cancel(service, job))
            found = await asyncio.wait_for(task, 10)
            await system.stop()
    assert found is not None
    assert found.status is JobStatus.CANCELLED


async def test_system_state_is_yielded_at_each_interval_until_shutdown(system: JobSystem) -> None:
    states = system.watch_system_state(timedelta(milliseconds=10))
    first, second = await anext(states), await anext(states)
    assert first.at < second.at
    await system.complete_streams(1)
    with pytest.raises(StopAsyncIteration):
        await anext(states)


async def test_graceful_shutdown_ends_streams_in_time(system: JobSystem, service: JobService) -> None:
    job = await submit_job(service)
    task = await start_waiting(system, job)
    await system.complete_streams(5)
    found = await asyncio.wait_for(task, 1)
    assert found is not None
    assert found.status is JobStatus.QUEUED


async def test_unwritable_result_store_is_reported(system: JobSystem, settings: JobSettings, tmp_path: Path) -> None:
    await system.check_result_store()
    other = JobSystem.connect(settings.model_copy(update={"results_url": (tmp_path / "results").as_uri()}))
    shutil.rmtree(tmp_path / "results")
    (tmp_path / "results").write_text("not a folder", encoding="utf-8")
    with pytest.raises(ResultStoreUnavailable):
        await other.check_result_store()
    await other.stop()
