"""Subscribers during faults: many of them, many reconnections, and events that their API process missed."""

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
from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest
from tests.e2e.faults.harness.invariants import check_invariants
from tests.e2e.faults.harness.scenarios import miss_events
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import STREAMS, User, execute
from tests.e2e.live_updates.transports import TRANSPORTS
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

SUBSCRIBERS = 1_000
JOBS = 20
RECONNECTS = 100

# An open subscription takes about 0.1 MB. A hundred closed ones must not take 100 times that.
MAX_GROWTH_BYTES = 8_000_000


async def test_connected_subscriber_receives_states_that_its_api_missed(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        assert await miss_events(harness) == []


async def test_thousand_subscribers_receive_the_final_state_although_the_store_is_killed(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with Harness(tmp_path) as harness:
        harness.add_api()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            jobs = [await user.submit(JobRequest(1_000)) for _ in range(JOBS)]
            following = []
            for number in range(0, SUBSCRIBERS, 50):
                following += [asyncio.create_task(user.follow(jobs[i % JOBS], "websocket")) for i in range(50)]
                await eventually(lambda count=number + 50: have_state(expected_jobs, count))  # type: ignore[misc]
            await asyncio.to_thread(harness.restart_valkey)
            harness.add_worker()
            await asyncio.gather(*following)
            assert len(expected_jobs.subscriptions) == SUBSCRIBERS
            assert await check_invariants(harness, expected_jobs) == []
            await eventually(lambda: no_subscribers_are_left(harness))


@pytest.mark.parametrize("clients", [8, 50, 200])
async def test_no_subscriber_misses_the_final_state_although_the_store_is_killed(tmp_path: Path, clients: int) -> None:
    """The store is killed when half of the subscribers have a final state and others submit, wait or follow."""
    with Harness(tmp_path) as harness:
        harness.add_api()
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        rng = random.Random(clients)
        async with User(harness.urls, expected_jobs, rng) as user:

            async def submit_and_follow(number: int) -> None:
                await asyncio.sleep(rng.random() * 2)
                job_id = await user.submit(JobRequest(rng.randint(10, 5_000)))
                await user.follow(job_id, STREAMS[number % len(STREAMS)])

            following = [asyncio.create_task(submit_and_follow(number)) for number in range(clients)]
            await eventually(lambda: have_final_state(expected_jobs, clients // 2))
            await asyncio.to_thread(harness.restart_valkey)
            await asyncio.gather(*following)
            assert len(expected_jobs.subscriptions) == len(expected_jobs.requests) == clients
            assert await check_invariants(harness, expected_jobs) == []


async def have_final_state(expected_jobs: ExpectedJobs, count: int) -> bool:
    """At least `count` subscribers have received a final state."""
    return sum(bool(states) and states[-1]["isFinal"] for _, states in expected_jobs.subscriptions) >= count


async def have_state(expected_jobs: ExpectedJobs, count: int) -> bool:
    """At least `count` subscribers have received a state."""
    return sum(bool(states) for _, states in expected_jobs.subscriptions) >= count


async def no_subscribers_are_left(harness: Harness) -> bool:
    async with httpx.AsyncClient(base_url=harness.urls[0]) as client:
        return bool((await execute(client, "{ system { subscribers } }"))["system"]["subscribers"] == 0)


async def test_hundred_reconnections_never_return_an_older_version_or_leak_memory(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            job_id = await user.submit(JobRequest(10 * SEGMENT_PRIMES, 8 * 10**15))
            api = psutil.Process(harness.apis[0].pid)
            versions = []
            for number in range(RECONNECTS):
                # The first connections of a process allocate memory that stays.
                if number == RECONNECTS // 10:
                    before = api.memory_info().rss
                async with aclosing(TRANSPORTS[STREAMS[number % len(STREAMS)]](url, job_id)) as states:
                    versions.append((await anext(states))["version"])
                if number == RECONNECTS // 5:
                    harness.add_worker()
            await user.follow(job_id)
            growth = api.memory_info().rss - before
            assert versions == sorted(versions)
            assert await check_invariants(harness, expected_jobs) == []
            await eventually(lambda: no_subscribers_are_left(harness))
            assert growth < MAX_GROWTH_BYTES, f"{growth / 1e6:.0f} MB"
