"""Those who follow jobs through faults: however many, however often they leave, whatever their API has missed."""

from __future__ import annotations

import asyncio
import random
import resource
from contextlib import aclosing
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from tasks.jobs import SEGMENT_PRIMES
from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, Order
from tests.e2e.faults.harness.invariants import judge
from tests.e2e.faults.harness.scenarios import events_are_missed
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import STREAMS, Person, ask
from tests.e2e.live_updates.transports import TRANSPORTS
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

SUBSCRIBERS = 1_000
JOBS = 20
RECONNECTS = 100

# A subscription costs about 0.1 MB while it is there. A hundred that have left cost nothing.
MOST_BYTES_KEPT = 8_000_000


async def test_who_stays_connected_is_told_what_its_api_has_missed(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        assert await events_are_missed(harness) == []


async def test_a_thousand_subscribers_see_the_end_through_a_killed_store(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Harness(tmp_path) as harness:
        harness.add_api()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            jobs = [await person.submit(Order(1_000)) for _ in range(JOBS)]
            following = []
            for number in range(0, SUBSCRIBERS, 50):
                following += [asyncio.create_task(person.follow(jobs[i % JOBS], "websocket")) for i in range(50)]
                await eventually(lambda many=number + 50: received(expected_jobs, many), 30)  # type: ignore[misc]
            await asyncio.to_thread(harness.restart_valkey)
            harness.add_worker()
            await asyncio.gather(*following)
            assert len(expected_jobs.received) == SUBSCRIBERS
            assert await judge(harness, expected_jobs) == []
            await eventually(lambda: none_are_left(harness))


@pytest.mark.parametrize("clients", [8, 50, 200])
async def test_nobody_who_submits_and_then_subscribes_misses_the_end_though_the_store_is_killed(
    tmp_path: Path, clients: int
) -> None:
    """It is killed when half of them have had their end; the others are still submitting, waiting or following."""
    with Harness(tmp_path) as harness:
        harness.add_api()
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        chance = random.Random(clients)
        async with Person(harness.urls, expected_jobs, chance) as person:

            async def one(number: int) -> None:
                await asyncio.sleep(chance.random() * 2)
                job_id = await person.submit(Order(chance.randint(10, 5_000)))
                await person.follow(job_id, STREAMS[number % len(STREAMS)])

            everybody = [asyncio.create_task(one(number)) for number in range(clients)]
            await eventually(lambda: ended(expected_jobs, clients // 2), 30)
            await asyncio.to_thread(harness.restart_valkey)
            await asyncio.gather(*everybody)
            assert len(expected_jobs.received) == len(expected_jobs.orders) == clients
            assert await judge(harness, expected_jobs) == []


async def ended(expected_jobs: ExpectedJobs, many: int) -> bool:
    """So many subscribers have seen the end."""
    return sum(bool(states) and states[-1]["isFinal"] for _, states in expected_jobs.received) >= many


async def received(expected_jobs: ExpectedJobs, many: int) -> bool:
    """So many subscribers have seen the state as it was."""
    return sum(bool(states) for _, states in expected_jobs.received) >= many


async def none_are_left(harness: Harness) -> bool:
    async with httpx.AsyncClient(base_url=harness.urls[0]) as client:
        return bool((await ask(client, "{ system { subscribers } }"))["system"]["subscribers"] == 0)


async def test_a_hundred_reconnects_of_one_subscriber_go_back_in_nothing(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            job_id = await person.submit(Order(10 * SEGMENT_PRIMES, 8 * 10**15))
            api = psutil.Process(harness.apis[0].pid)
            versions = []
            for number in range(RECONNECTS):
                # What any first connections of a process cost once is not counted.
                if number == RECONNECTS // 10:
                    before = api.memory_info().rss
                async with aclosing(TRANSPORTS[STREAMS[number % len(STREAMS)]](url, job_id)) as states:
                    versions.append((await anext(states))["version"])
                if number == RECONNECTS // 5:
                    harness.add_worker()
            await person.follow(job_id)
            kept = api.memory_info().rss - before
            assert versions == sorted(versions)
            assert await judge(harness, expected_jobs) == []
            await eventually(lambda: none_are_left(harness))
            assert kept < MOST_BYTES_KEPT, f"{kept / 1e6:.0f} MB"
