"""Any part may die at any moment, or be replaced: every acknowledged job still ends once, with the right primes.

The seed is part of a test's name; FAULT_SEEDS=1,2,3 tries others.
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

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, Order, say
from tests.e2e.faults.harness.invariants import judge
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import Person
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

SEEDS = [int(seed) for seed in os.environ.get("FAULT_SEEDS", "1").split(",")]

JOBS = 500
PEOPLE = 10
KILLS = ["worker"] * 20 + ["valkey"] * 3 + ["api"] * 3
RUN_SECONDS = 90


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_whatever_is_killed(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    began = time.monotonic()
    with Harness(tmp_path) as harness:
        for _ in range(2):
            harness.add_api()
        for worker in [harness.add_worker() for _ in range(3)]:
            worker.ready()
        expected_jobs = ExpectedJobs()
        done = asyncio.Event()
        people = [
            asyncio.create_task(live(harness, expected_jobs, random.Random(chance.random()), done))
            for _ in range(PEOPLE)
        ]
        await kill_all_in_turn(harness, chance)
        done.set()
        killed = time.monotonic()
        await asyncio.gather(*people)
        wrong = await judge(harness, expected_jobs, 30 - (time.monotonic() - killed))
        drain, whole = time.monotonic() - killed, time.monotonic() - began
        say(
            f"seed {seed}: {len(expected_jobs.orders)} jobs, {len(expected_jobs.received)} subscribers, "
            f"{harness.counters()}; "
            f"judged {drain:.1f} s after the last kill, {whole:.0f} s in all"
        )
    assert wrong == []
    assert len(expected_jobs.orders) == JOBS
    assert whole < RUN_SECONDS


async def kill_all_in_turn(harness: Harness, chance: random.Random) -> None:
    """Kill and start again, in a random order, with random pauses in between."""
    for target in chance.sample(KILLS, len(KILLS)):
        await asyncio.sleep(chance.uniform(0.4, 1.2))
        if target == "valkey":
            await asyncio.to_thread(harness.restart_valkey)
        elif target == "api":
            chance.choice(harness.apis).restart()
        else:
            # Somebody works on something; who, is left to chance.
            with suppress(TimeoutError):
                await eventually(lambda: somebody_works(harness), 1)
            kill_worker(harness, chance)


async def somebody_works(harness: Harness) -> bool:
    return bool(harness.keys.leases())


def kill_worker(harness: Harness, chance: random.Random) -> None:
    """All of it, or only its main process, or only one that computes."""
    worker = chance.choice(harness.workers)
    children = psutil.Process(worker.pid).children()
    how = chance.choice(["all", "all", "main", "child"])
    if how == "child" and children:
        os.kill(chance.choice(children).pid, signal.SIGKILL)
    elif how == "main":
        os.kill(worker.pid, signal.SIGKILL)
        worker.abandon()
        worker.start()
    else:
        worker.restart()


async def live(harness: Harness, expected_jobs: ExpectedJobs, chance: random.Random, done: asyncio.Event) -> None:
    """Submit, follow and cancel; the last tenth of the jobs only after the last kill."""
    async with Person(harness.urls, expected_jobs, chance) as person:
        following = []
        for number in range(JOBS // PEOPLE):
            if number == JOBS // PEOPLE * 9 // 10:
                await done.wait()
            job_id = await person.submit(any_order(chance))
            if chance.random() < 0.5:
                following.append(asyncio.create_task(person.follow(job_id)))
            if chance.random() < 0.1:
                await person.cancel(job_id)
            if not done.is_set():
                await asyncio.sleep(chance.uniform(0, 0.8))
        await asyncio.gather(*following)


def any_order(chance: random.Random) -> Order:
    """Mostly small ones; of the others, some far out, where computing takes longest."""
    kind = chance.random()
    if kind < 0.6:
        return Order(chance.randint(1, 5_000))
    if kind < 0.8:
        return Order(chance.randint(10_001, 100_000), chance.choice([2, 10**12]))
    if kind < 0.92:
        return Order(1_000_000, 8 * 10**15)
    # Three segments.
    return Order(2_500_000, chance.choice([2, 10**12, 8 * 10**15]))
