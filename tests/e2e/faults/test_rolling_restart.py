"""An upgrade under load: each part in turn is ended politely and started again, and nobody loses a job."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.e2e.faults.ledger import Ledger, say
from tests.e2e.faults.people import Person
from tests.e2e.faults.stage import Stage
from tests.e2e.faults.test_kills import any_order
from tests.e2e.faults.verdict import judge

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = 6


async def test_workers_and_apis_are_replaced_under_load(tmp_path: Path) -> None:
    with Stage(tmp_path) as stage:
        for _ in range(2):
            stage.add_api()
        for worker in [stage.add_worker() for _ in range(2)]:
            worker.ready()
        ledger = Ledger()
        upgraded = asyncio.Event()
        people = [asyncio.create_task(work(stage, ledger, random.Random(number), upgraded)) for number in range(PEOPLE)]
        for part in (*stage.workers, *stage.apis):
            await asyncio.to_thread(part.end)
            part.start()
            await asyncio.to_thread(part.ready)
        upgraded.set()
        await asyncio.gather(*people)
        assert await judge(stage, ledger) == []
        assert all(order.may_end == {"SUCCEEDED"} for order in ledger.orders.values())
        say(f"{len(ledger.orders)} jobs, {len(ledger.told)} subscribers")


async def work(stage: Stage, ledger: Ledger, chance: random.Random, upgraded: asyncio.Event) -> None:
    async with Person(stage.urls, ledger, chance) as person:
        following = []
        while not upgraded.is_set():
            job_id = await person.submit(any_order(chance))
            following.append(asyncio.create_task(person.follow(job_id)))
            await asyncio.sleep(chance.uniform(0, 0.4))
        await asyncio.gather(*following)
