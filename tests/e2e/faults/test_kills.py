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

from tests.e2e.faults.ledger import Ledger, Order, say
from tests.e2e.faults.people import Person
from tests.e2e.faults.stage import Stage
from tests.e2e.faults.verdict import judge
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
    with Stage(tmp_path) as stage:
        for _ in range(2):
            stage.add_api()
        for worker in [stage.add_worker() for _ in range(3)]:
            worker.ready()
        ledger = Ledger()
        done = asyncio.Event()
        people = [asyncio.create_task(live(stage, ledger, random.Random(chance.random()), done)) for _ in range(PEOPLE)]
        await kill_all_in_turn(stage, chance)
        done.set()
        killed = time.monotonic()
        await asyncio.gather(*people)
        wrong = await judge(stage, ledger, 30 - (time.monotonic() - killed))
        drain, whole = time.monotonic() - killed, time.monotonic() - began
        say(
            f"seed {seed}: {len(ledger.orders)} jobs, {len(ledger.told)} subscribers, {stage.counters()}; "
            f"judged {drain:.1f} s after the last kill, {whole:.0f} s in all"
        )
    assert wrong == []
    assert len(ledger.orders) == JOBS
    assert whole < RUN_SECONDS


async def kill_all_in_turn(stage: Stage, chance: random.Random) -> None:
    """Kill and start again, in a random order, with random pauses in between."""
    for victim in chance.sample(KILLS, len(KILLS)):
        await asyncio.sleep(chance.uniform(0.4, 1.2))
        if victim == "valkey":
            await asyncio.to_thread(stage.restart_valkey)
        elif victim == "api":
            chance.choice(stage.apis).restart()
        else:
            # Somebody works on something; who, is left to chance.
            with suppress(TimeoutError):
                await eventually(lambda: somebody_works(stage), 1)
            kill_worker(stage, chance)


async def somebody_works(stage: Stage) -> bool:
    return bool(stage.keys.leases())


def kill_worker(stage: Stage, chance: random.Random) -> None:
    """All of it, or only its main process, or only one that computes."""
    worker = chance.choice(stage.workers)
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


async def live(stage: Stage, ledger: Ledger, chance: random.Random, done: asyncio.Event) -> None:
    """Submit, follow and cancel; the last tenth of the jobs only after the last kill."""
    async with Person(stage.urls, ledger, chance) as person:
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
