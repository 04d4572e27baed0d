"""Scenarios that run twice: with all safeguards, and with the one disabled that they test.

Each returns the violated invariants.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest
from tests.e2e.faults.harness.invariants import DRAIN_SECONDS, check_invariants
from tests.e2e.faults.harness.proxy import start_proxy
from tests.e2e.faults.harness.users import User
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from tests.e2e.faults.harness.system import Harness, ManagedProcess

# A start so large that workers spend most of their time computing.
LONG_JOB = JobRequest(1_000_000, 8 * 10**15)


async def resume_worker_after_lease_expiry(harness: Harness, launcher: str = "celery") -> list[str]:
    """A worker is paused while it computes a segment, and resumed after another worker has completed it."""
    harness.add_api()
    paused = harness.add_worker(launcher, processes=1).ready()
    expected_jobs = ExpectedJobs()
    async with User(harness.urls, expected_jobs, random.Random(1)) as user:
        for _ in range(10):
            await user.submit(JobRequest(LONG_JOB.count, LONG_JOB.start))
        await asyncio.to_thread(pause_while_holding_a_lease, harness, paused)
        # Two if it stores one segment while it computes the next.
        job_ids = [member[:36] for member in harness.keys.leases()]
        healthy = harness.add_worker(launcher, processes=1)
        for job_id in job_ids:
            await user.follow(job_id)
        paused.send(signal.SIGCONT)
        for job_id in job_ids:
            await eventually(partial(has_logged, paused, f"Job {job_id} segment 0"))
        violations = await check_invariants(harness, expected_jobs)
        for job_id in job_ids:
            assert f"Job {job_id} segment 0: done" in healthy.output()
    return violations


def pause_while_holding_a_lease(harness: Harness, worker: ManagedProcess) -> None:
    """Pause a worker at a moment when it holds a lease."""

    def is_paused_with_a_lease() -> bool:
        worker.send(signal.SIGSTOP)
        if harness.keys.leases():
            return True
        worker.send(signal.SIGCONT)
        return False

    wait_until(is_paused_with_a_lease)


async def has_logged(worker: ManagedProcess, text: str) -> bool:
    return text in worker.output()


async def lose_messages(
    harness: Harness, count: int, launcher: str = "celery", seconds: float = DRAIN_SECONDS
) -> tuple[float, list[str]]:
    """The messages of the queue are deleted while the worker is paused. Also returns the time of the deletion."""
    harness.add_api()
    worker = harness.add_worker(launcher).ready()
    expected_jobs = ExpectedJobs()
    async with User(harness.urls, expected_jobs, random.Random(1)) as user:
        worker.send(signal.SIGSTOP)
        # A message that the paused worker's pending pop received is lost too.
        await asyncio.gather(*(user.submit(JobRequest(1_000)) for _ in range(count)))
        harness.keys.drop_messages()
        started_at = time.monotonic()
        worker.send(signal.SIGCONT)
        violations = await check_invariants(harness, expected_jobs, seconds)
    return started_at, violations


async def kill_store(harness: Harness) -> list[str]:
    """The store is killed with jobs in the queue, and restarted from its files."""
    harness.add_api()
    expected_jobs = ExpectedJobs()
    async with User(harness.urls, expected_jobs, random.Random(1)) as user:
        for _ in range(20):
            await user.submit(JobRequest(1_000))
        await asyncio.to_thread(harness.restart_valkey)
        harness.add_worker()
        await user.submit(JobRequest(1_000))
        return await check_invariants(harness, expected_jobs)


async def miss_events(harness: Harness, launcher: str = "gql", seconds: float = 60) -> list[str]:
    """All jobs end while an API is disconnected from the store; its subscribers stay connected."""
    async with start_proxy(harness.port) as proxy:
        await asyncio.to_thread(harness.add_api, launcher, proxy.redis_url)
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            jobs = [await user.submit(JobRequest(1_000)) for _ in range(10)]
            following = [asyncio.create_task(user.follow(job_id, "websocket")) for job_id in jobs]
            await eventually(lambda: all_have_received_a_state(expected_jobs, len(jobs)))
            proxy.refusing = True
            await proxy.abort_connections()
            worker = harness.add_worker()
            await eventually(lambda: all_jobs_are_final(harness, len(jobs)))
            proxy.refusing = False
            await asyncio.wait(following, timeout=seconds)
            violations = await check_invariants(harness, expected_jobs)
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            worker.kill()
    return violations


async def stall_worker(harness: Harness, drain_seconds: float = DRAIN_SECONDS, **environment: str) -> list[str]:
    """A running worker stops receiving messages without an error, as happens after some reconnections."""
    harness.add_api()
    worker = harness.add_worker("tests.e2e.faults.launchers.worker_that_stalls", 2, None, **environment).ready()
    expected_jobs = ExpectedJobs()
    async with User(harness.urls, expected_jobs, random.Random(1)) as user:
        await user.follow(await user.submit(JobRequest(1_000)))
        os.kill(worker.pid, signal.SIGUSR2)
        # A pending pop would return a message, whose task would then complete further small jobs.
        await asyncio.to_thread(
            wait_until, lambda: "Stopped consuming." in worker.output() and harness.blocked_clients() == 0
        )
        for _ in range(10):
            await user.submit(JobRequest(1_000))
        return await check_invariants(harness, expected_jobs, drain_seconds)


async def all_have_received_a_state(expected_jobs: ExpectedJobs, count: int) -> bool:
    return sum(bool(states) for _, states in expected_jobs.subscriptions) == count


async def all_jobs_are_final(harness: Harness, count: int) -> bool:
    statuses = harness.keys.statuses_by_job()
    return len(statuses) == count and all(found[0].is_final for found in statuses.values())


async def segment_is_leased(harness: Harness) -> bool:
    return bool(harness.keys.leases())
