"""Workers as processes: killed ones, and those with other settings."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import psutil

from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.jobs import FailureReason, JobStatus
from tasks.requests import PrimesRequest
from tests import programs
from tests.tasks.final_jobs import wait_until_final
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.settings import JobSettings
    from tests.programs import Valkey
    from tests.tasks.keys import Keys


async def test_unwritable_result_store_fails_only_large_jobs(
    valkey: Valkey, settings: JobSettings, tmp_path: Path
) -> None:
    """A file takes the place of the folder, so that not even root can write there."""
    (tmp_path / "results").write_text("not a folder", encoding="utf-8")
    store = JobStore.connect(settings)
    unwritable = {"RESULTS_URL": (tmp_path / "results").as_uri()}
    with programs.worker(tmp_path, valkey.url, settings.key_prefix, 1, (), **unwritable):
        large = await wait_until_final(store, (await store.submit_job(PrimesRequest(20_000), ANYONE)).job)
        small = await wait_until_final(store, (await store.submit_job(PrimesRequest(10), ANYONE)).job)
    await store.close()
    assert (large.status, small.status) == (JobStatus.FAILED, JobStatus.SUCCEEDED)
    assert large.failure is not None
    assert (large.failure.reason, large.failure.retryable) == (FailureReason.RESULT_STORE, True)


async def test_another_worker_completes_the_work_of_a_killed_one(tmp_path: Path, settings: JobSettings) -> None:
    store, lease = JobStore.connect(settings), {"LEASE_SECONDS": "1"}
    url, prefix = str(settings.redis_url), settings.key_prefix
    with programs.worker(tmp_path / "first", url, prefix, processes=1, **lease) as first:
        # One segment at a large start: takes long enough to be stopped while running.
        job = (await store.submit_job(PrimesRequest(2**20, 2**52), ANYONE)).job

        async def is_running() -> bool:
            [found] = await store.get_jobs([job.id], ANYONE)
            assert found is not None
            if found.status is JobStatus.RUNNING:
                os.killpg(first.process.pid, signal.SIGSTOP)
                return True
            assert not found.status.is_final
            return False

        for child in psutil.Process(first.process.pid).children():
            # Much slower than this test, which polls for RUNNING.
            child.nice(19)
        await eventually(is_running)
        first.kill()
        [found] = await store.get_jobs([job.id], ANYONE)
        assert found is not None
        killed_while_running = found.status is JobStatus.RUNNING
        with programs.worker(tmp_path / "second", url, prefix, processes=1, **lease):
            done = await wait_until_final(store, job)
    await store.close()
    assert killed_while_running
    assert (done.status, done.attempt) == (JobStatus.SUCCEEDED, 2)


async def test_small_jobs_are_processed_first(tmp_path: Path, settings: JobSettings, keys: Keys) -> None:
    store = JobStore.connect(settings)
    large = [(await store.submit_job(PrimesRequest(20_000), ANYONE)).job for _ in range(5)]
    small = [(await store.submit_job(PrimesRequest(10), ANYONE)).job for _ in range(5)]
    url, prefix = str(settings.redis_url), settings.key_prefix
    with programs.worker(tmp_path, url, prefix, processes=1):
        for job in large + small:
            assert (await wait_until_final(store, job)).status is JobStatus.SUCCEEDED
    await store.close()
    started = {job.id: int(keys.record(job.id)["started_at"]) for job in large + small}
    assert max(started[job.id] for job in small) <= min(started[job.id] for job in large)
