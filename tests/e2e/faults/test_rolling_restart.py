"""An upgrade under load: each part in turn is ended politely and started again, and nobody loses a job."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, say
from tests.e2e.faults.harness.invariants import judge
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import Person
from tests.e2e.faults.test_kills import any_order

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = 6


async def test_workers_and_apis_are_replaced_under_load(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        for _ in range(2):
            harness.add_api()
        for worker in [harness.add_worker() for _ in range(2)]:
            worker.ready()
        expected_jobs = ExpectedJobs()
        upgraded = asyncio.Event()
        people = [
            asyncio.create_task(work(harness, expected_jobs, random.Random(number), upgraded))
            for number in range(PEOPLE)
        ]
        for part in (*harness.workers, *harness.apis):
            await asyncio.to_thread(part.end)
            part.start()
            await asyncio.to_thread(part.ready)
        upgraded.set()
        await asyncio.gather(*people)
        assert await judge(harness, expected_jobs) == []
        assert all(order.may_end == {"SUCCEEDED"} for order in expected_jobs.orders.values())
        say(f"{len(expected_jobs.orders)} jobs, {len(expected_jobs.received)} subscribers")


async def work(harness: Harness, expected_jobs: ExpectedJobs, chance: random.Random, upgraded: asyncio.Event) -> None:
    async with Person(harness.urls, expected_jobs, chance) as person:
        following = []
        while not upgraded.is_set():
            job_id = await person.submit(any_order(chance))
            following.append(asyncio.create_task(person.follow(job_id)))
            await asyncio.sleep(chance.uniform(0, 0.4))
        await asyncio.gather(*following)
