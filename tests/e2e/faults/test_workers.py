"""Workers that crash, hang, stall, resume after their lease expired, or have a wrong clock."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest, report
from tests.e2e.faults.harness.invariants import check_invariants
from tests.e2e.faults.harness.scenarios import lose_messages, resume_worker_after_lease_expiry, stall_worker
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import User, execute
from tests.e2e.faults.launchers.worker_that_crashes import CRASHING_COUNT
from tests.e2e.faults.launchers.worker_that_hangs import HANGING_COUNT
from tests.waiting import wait_until

LOST = 100


async def test_write_after_the_lease_expired_is_refused(tmp_path: Path) -> None:
    """The worker was paused while it computed a segment, which another worker completed meanwhile."""
    with Harness(tmp_path) as harness:
        assert await resume_worker_after_lease_expiry(harness) == []


async def test_lost_messages_are_sent_again(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        started_at, violations = await lose_messages(harness, LOST)
        took = time.monotonic() - started_at
        assert violations == []
    report(f"{LOST} lost messages: all jobs completed and checked after {took:.1f} s")


@pytest.mark.parametrize("attempts", [3])
async def test_job_that_kills_its_workers_fails_after_max_attempts(tmp_path: Path, attempts: int) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api(MAX_ATTEMPTS=str(attempts))
        harness.add_worker("tests.e2e.faults.launchers.worker_that_crashes", MAX_ATTEMPTS=str(attempts)).ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            crashing_id = await user.submit(JobRequest(CRASHING_COUNT, allowed_statuses=frozenset({"FAILED"})))
            for _ in range(20):
                await user.submit(JobRequest(1_000))
            await user.follow(crashing_id)
            assert await check_invariants(harness, expected_jobs) == []
            async with httpx.AsyncClient(base_url=url) as client:
                failed = (await client.get(f"/status/{crashing_id}")).json()
            assert (failed["status"], failed["error"]["reason"]) == ("failed", "WORKER_LOST")
            assert harness.workers[0].output().count("signal 9 (SIGKILL)") >= attempts


async def test_job_beyond_the_time_limit_fails_and_its_process_is_replaced(tmp_path: Path) -> None:
    """The worker has one process, whose replacement then computes the other jobs."""
    limit = {"JOB_TIME_LIMIT_SECONDS": "3"}
    with Harness(tmp_path) as harness:
        url = harness.add_api(**limit)
        harness.add_worker("tests.e2e.faults.launchers.worker_that_hangs", processes=1, **limit).ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            hanging_id = await user.submit(JobRequest(HANGING_COUNT, allowed_statuses=frozenset({"FAILED"})))
            for _ in range(20):
                await user.submit(JobRequest(1_000))
            await user.follow(hanging_id)
            assert await check_invariants(harness, expected_jobs) == []
            async with httpx.AsyncClient(base_url=url) as client:
                failed = (await client.get(f"/status/{hanging_id}")).json()
        assert (failed["status"], failed["error"]["reason"]) == ("failed", "TIMEOUT")


async def test_stalled_worker_reconnects_to_the_broker(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        assert await stall_worker(harness) == []
        assert harness.workers[0].output().count("messages queued, none consumed. Reconnecting.") == 1


async def test_terminated_worker_releases_its_segments(tmp_path: Path) -> None:
    """With SIGTERM, as an upgrade does. Its lease would last ten minutes."""
    options = {"LEASE_SECONDS": "600"}
    with Harness(tmp_path) as harness:
        harness.add_api(**options)
        first = harness.add_worker("tests.e2e.faults.launchers.worker_that_hangs", processes=1, **options)
        first.ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            hanging_id = await user.submit(JobRequest(HANGING_COUNT))
            await asyncio.to_thread(wait_until, lambda: bool(harness.keys.leases()))
            os.kill(first.pid, signal.SIGTERM)
            harness.add_worker("celery", 2, None, **options)
            await user.follow(hanging_id)
            assert await check_invariants(harness, expected_jobs) == []
        assert harness.keys.record(hanging_id)["attempt"] == "1"


WAITING = 6


async def test_message_popped_by_a_killed_worker_is_not_lost(tmp_path: Path) -> None:
    """The server delivers messages to workers that were paused while waiting, and that never read them."""
    with Harness(tmp_path) as harness:
        harness.add_api()
        paused = [harness.add_worker(processes=1) for _ in range(WAITING)]
        for worker in paused:
            worker.ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            wait_until(lambda: harness.blocked_clients() == WAITING)
            for worker in paused:
                worker.send(signal.SIGSTOP)
            for _ in range(WAITING):
                await user.submit(JobRequest(1_000))
            popped = WAITING - len(harness.keys.queued_segments("small"))
            for worker in paused:
                worker.kill()
            harness.add_worker()
            violations = await check_invariants(harness, expected_jobs)
    report(f"{popped} messages had been popped by paused workers")
    assert popped > 0
    assert violations == []


def libfaketime() -> str | None:
    """The path of the library: FAULT_FAKETIME, or where Debian's package installs it."""
    named = os.environ.get("FAULT_FAKETIME")
    found = [Path(named)] if named else sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return str(found[0]) if found else None


@pytest.mark.skipif(libfaketime() is None, reason="needs Debian's libfaketime")
@pytest.mark.parametrize("hours", [+2, -2])
async def test_worker_with_a_wrong_clock_has_no_effect_on_jobs(tmp_path: Path, hours: int) -> None:
    """Leases, expiry and reported times use the store's clock. One of two workers has the wrong clock."""
    with Harness(tmp_path) as harness:
        url = harness.add_api()
        shifted = harness.add_worker(
            LD_PRELOAD=libfaketime() or "", FAKETIME=f"{hours:+d}h", FAKETIME_DONT_FAKE_MONOTONIC="1"
        ).ready()
        shifted_hour = f"{datetime.now(UTC) + timedelta(hours=hours):%Y-%m-%d %H:}"
        assert f"[{shifted_hour}" in shifted.output(), "the clock of the worker is not shifted"
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(hours)) as user:
            for number in range(60):
                job_id = await user.submit(JobRequest(200_000, 10**14) if number % 10 == 0 else JobRequest(1_000))
                await user.follow(job_id)
            assert await check_invariants(harness, expected_jobs) == []
            for worker in harness.workers:
                assert ": done in" in worker.output(), "a worker completed no segment"
            times = "query ($id: ID!) { job(id: $id) { attempt queuedMs runMs } }"
            async with httpx.AsyncClient(base_url=url) as client:
                job = (await execute(client, times, id=job_id))["job"]
            assert job["attempt"] == 1
            assert max(job["queuedMs"], job["runMs"]) < 60_000
