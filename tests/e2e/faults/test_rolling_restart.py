"""An upgrade under load: processes are terminated gracefully and restarted one by one, and no job is lost."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, report
from tests.e2e.faults.harness.invariants import check_invariants
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import User
from tests.e2e.faults.test_kills import random_request

if TYPE_CHECKING:
    from pathlib import Path

USERS = 6


async def test_no_job_is_lost_when_workers_and_apis_are_replaced_under_load(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        for _ in range(2):
            harness.add_api()
        for worker in [harness.add_worker() for _ in range(2)]:
            worker.ready()
        expected_jobs = ExpectedJobs()
        upgraded = asyncio.Event()
        users = [
            asyncio.create_task(run_user(harness, expected_jobs, random.Random(number), upgraded))
            for number in range(USERS)
        ]
        for process in (*harness.workers, *harness.apis):
            await asyncio.to_thread(process.terminate)
            process.start()
            await asyncio.to_thread(process.ready)
        upgraded.set()
        await asyncio.gather(*users)
        assert await check_invariants(harness, expected_jobs) == []
        assert all(request.allowed_statuses == {"SUCCEEDED"} for request in expected_jobs.requests.values())
        report(f"{len(expected_jobs.requests)} jobs, {len(expected_jobs.subscriptions)} subscribers")


async def run_user(harness: Harness, expected_jobs: ExpectedJobs, rng: random.Random, upgraded: asyncio.Event) -> None:
    async with User(harness.urls, expected_jobs, rng) as user:
        following = []
        while not upgraded.is_set():
            job_id = await user.submit(random_request(rng))
            following.append(asyncio.create_task(user.follow(job_id)))
            await asyncio.sleep(rng.uniform(0, 0.4))
        await asyncio.gather(*following)
