"""Every acknowledged job ends once with the correct primes, although processes are killed at random.

The seed is part of the test's id; FAULT_SEEDS=1,2,3 selects others.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest, report
from tests.e2e.faults.harness.invariants import DRAIN_SECONDS, check_invariants
from tests.e2e.faults.harness.scenarios import segment_is_leased
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import User
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = [int(seed) for seed in os.environ.get("FAULT_SEEDS", "1").split(",")]

JOBS = 500
USERS = 10
KILLS = ["worker"] * 20 + ["valkey"] * 3 + ["api"] * 3
# Two or three times as long as on a machine without other work.
RUN_SECONDS = 180


@pytest.mark.parametrize("seed", SEEDS)
async def test_no_job_is_lost_when_any_process_is_killed(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    started_at = time.monotonic()
    with Harness(tmp_path) as harness:
        for _ in range(2):
            harness.add_api()
        for worker in [harness.add_worker() for _ in range(3)]:
            worker.ready()
        expected_jobs = ExpectedJobs()
        kills_are_over = asyncio.Event()
        users = [
            asyncio.create_task(run_user(harness, expected_jobs, random.Random(rng.random()), kills_are_over))
            for _ in range(USERS)
        ]
        await kill_processes(harness, rng)
        kills_are_over.set()
        killed_at = time.monotonic()
        await asyncio.gather(*users)
        violations = await check_invariants(harness, expected_jobs, DRAIN_SECONDS - (time.monotonic() - killed_at))
        drain, total = time.monotonic() - killed_at, time.monotonic() - started_at
        report(
            f"seed {seed}: {len(expected_jobs.requests)} jobs, {len(expected_jobs.subscriptions)} subscribers, "
            f"{harness.counters()}; "
            f"checked {drain:.1f} s after the last kill, {total:.0f} s in total"
        )
    assert violations == []
    assert len(expected_jobs.requests) == JOBS
    assert total < RUN_SECONDS


async def kill_processes(harness: Harness, rng: random.Random) -> None:
    """Kill and restart processes in a random order with random pauses."""
    for target in rng.sample(KILLS, len(KILLS)):
        await asyncio.sleep(rng.uniform(0.4, 1.2))
        if target == "valkey":
            await asyncio.to_thread(harness.restart_valkey)
        elif target == "api":
            rng.choice(harness.apis).restart()
        else:
            # Prefer a moment when a segment is leased, by any worker.
            with suppress(TimeoutError):
                await eventually(lambda: segment_is_leased(harness), 1)
            kill_worker(harness, rng)


def kill_worker(harness: Harness, rng: random.Random) -> None:
    """Kill all processes of a worker, only its main process, or only one that computes."""
    worker = rng.choice(harness.workers)
    children = psutil.Process(worker.pid).children()
    scope = rng.choice(["all", "all", "main", "child"])
    if scope == "child" and children:
        os.kill(rng.choice(children).pid, signal.SIGKILL)
    elif scope == "main":
        os.kill(worker.pid, signal.SIGKILL)
        worker.reap()
        worker.start()
    else:
        worker.restart()


async def run_user(
    harness: Harness, expected_jobs: ExpectedJobs, rng: random.Random, kills_are_over: asyncio.Event
) -> None:
    """Submit, follow and cancel jobs, the last tenth of them after the last kill."""
    async with User(harness.urls, expected_jobs, rng) as user:
        following = []
        for number in range(JOBS // USERS):
            if number == JOBS // USERS * 9 // 10:
                await kills_are_over.wait()
            job_id = await user.submit(random_request(rng))
            if rng.random() < 0.5:
                following.append(asyncio.create_task(user.follow(job_id)))
            if rng.random() < 0.1:
                await user.cancel(job_id)
            if not kills_are_over.is_set():
                await asyncio.sleep(rng.uniform(0, 0.8))
        await asyncio.gather(*following)


def random_request(rng: random.Random) -> JobRequest:
    """Mostly small requests, some of them with large starts, which take longest to compute."""
    choice = rng.random()
    if choice < 0.6:
        return JobRequest(rng.randint(1, 5_000))
    if choice < 0.8:
        return JobRequest(rng.randint(10_001, 100_000), rng.choice([2, 10**12]))
    if choice < 0.92:
        return JobRequest(1_000_000, 8 * 10**15)
    # Three segments.
    return JobRequest(2_500_000, rng.choice([2, 10**12, 8 * 10**15]))
