"""Scenes that are played twice: with all safeguards on, and with the one switched off that they are about.

Each returns what the verdict finds wrong.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from typing import TYPE_CHECKING

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, Order
from tests.e2e.faults.harness.invariants import judge
from tests.e2e.faults.harness.proxy import proxy
from tests.e2e.faults.harness.users import Person
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from tests.e2e.faults.harness.system import Harness, Part

# Far out: the better part of a worker's time goes into segments.
LONG = Order(1_000_000, 8 * 10**15)


async def a_zombie_writes(harness: Harness, launcher: str = "celery") -> list[str]:
    """A worker is stopped in the middle of a segment until another has done it, and goes on."""
    harness.add_api()
    zombie = harness.add_worker(launcher, processes=1).ready()
    expected_jobs = ExpectedJobs()
    async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
        for _ in range(10):
            await person.submit(Order(LONG.count, LONG.start))
        await asyncio.to_thread(stop_in_the_middle, harness, zombie)
        [held] = [member[:36] for member in harness.keys.leases()]
        healthy = harness.add_worker(launcher, processes=1)
        await person.follow(held)
        zombie.send(signal.SIGCONT)
        await eventually(lambda: said(zombie, f"Job {held} segment 0"))
        wrong = await judge(harness, expected_jobs)
        assert f"Job {held} segment 0: done" in healthy.output()
    return wrong


def stop_in_the_middle(harness: Harness, worker: Part) -> None:
    """Stop a worker while it holds a lease."""

    def stopped_with_a_lease() -> bool:
        worker.send(signal.SIGSTOP)
        if harness.keys.leases():
            return True
        worker.send(signal.SIGCONT)
        return False

    wait_until(stopped_with_a_lease)


async def said(worker: Part, text: str) -> bool:
    return text in worker.output()


async def messages_are_lost(
    harness: Harness, count: int, launcher: str = "celery", seconds: float = 5
) -> tuple[float, list[str]]:
    """The queue's list is deleted, with workers that have done nothing for a while. Also returns when that was."""
    harness.add_api()
    worker = harness.add_worker(launcher).ready()
    expected_jobs = ExpectedJobs()
    async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
        worker.send(signal.SIGSTOP)
        # What the paused worker's pending pop may have got is one of the messages that are lost.
        await asyncio.gather(*(person.submit(Order(1_000)) for _ in range(count)))
        harness.keys.drop_messages()
        began = time.monotonic()
        worker.send(signal.SIGCONT)
        wrong = await judge(harness, expected_jobs, seconds)
    return began, wrong


async def the_store_is_killed(harness: Harness) -> list[str]:
    """It is killed with jobs in the queue, and started on what it has on disk."""
    harness.add_api()
    expected_jobs = ExpectedJobs()
    async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
        for _ in range(20):
            await person.submit(Order(1_000))
        await asyncio.to_thread(harness.restart_valkey)
        harness.add_worker()
        await person.submit(Order(1_000))
        return await judge(harness, expected_jobs, 10)


async def events_are_missed(harness: Harness, launcher: str = "uvicorn", seconds: float = 5) -> list[str]:
    """All jobs end while an API's connections to the store are broken off; its subscribers stay connected."""
    async with proxy(harness.port) as line:
        await asyncio.to_thread(harness.add_api, launcher, line.redis_url)
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            jobs = [await person.submit(Order(1_000)) for _ in range(10)]
            following = [asyncio.create_task(person.follow(job_id, "websocket")) for job_id in jobs]
            await eventually(lambda: all_told(expected_jobs, len(jobs)))
            line.refusing = True
            await line.cut()
            worker = harness.add_worker()
            await eventually(lambda: ended(harness, len(jobs)), 20)
            line.refusing = False
            await asyncio.wait(following, timeout=seconds)
            wrong = await judge(harness, expected_jobs)
            for task in following:
                task.cancel()
            await asyncio.gather(*following, return_exceptions=True)
            worker.kill()
    return wrong


async def a_worker_stalls(harness: Harness, within: float, **environment: str) -> list[str]:
    """A running worker stops receiving messages without an error, as happens after some reconnections."""
    harness.add_api()
    worker = harness.add_worker("tests.e2e.faults.launchers.worker_that_stalls", 2, None, **environment).ready()
    expected_jobs = ExpectedJobs()
    async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
        await person.follow(await person.submit(Order(1_000)))
        os.kill(worker.pid, signal.SIGUSR2)
        # What its last question to the broker is answered with, it still gets.
        for _ in range(10):
            await person.submit(Order(1_000))
        return await judge(harness, expected_jobs, within)


async def all_told(expected_jobs: ExpectedJobs, count: int) -> bool:
    return sum(bool(states) for _, states in expected_jobs.received) == count


async def ended(harness: Harness, count: int) -> bool:
    statuses = harness.keys.statuses_by_job()
    return len(statuses) == count and all(found[0].is_final for found in statuses.values())
