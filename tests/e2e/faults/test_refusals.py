"""What is refused: by a store that is out of memory, a replica or still loading, or because it is too much."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, Order
from tests.e2e.faults.harness.invariants import judge
from tests.e2e.faults.harness.scenarios import LONG
from tests.e2e.faults.harness.system import PREFIX, Harness
from tests.e2e.faults.harness.users import SUBMIT, Person
from tests.e2e.faults.test_store import all_are_told
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


NO_RETRY = Retry(NoBackoff(), 0)


async def somebody_works(harness: Harness) -> bool:
    return bool(harness.keys.leases())


async def nobody_works(harness: Harness) -> bool:
    return not harness.keys.leases()


async def said(harness: Harness, text: str) -> bool:
    """Whether each worker has said it."""
    return all(text in worker.output() for worker in harness.workers)


async def is_loading(harness: Harness) -> bool:
    """Whether the store says of itself that it loads; no answer is none."""
    with suppress(redis.ConnectionError), redis.Redis(port=harness.port, socket_timeout=5, retry=NO_RETRY) as client:
        try:
            return not client.ping()
        except redis.BusyLoadingError:
            return True
    return False


# What is set, set again, and what a worker says of it that can take no messages meanwhile.
REFUSALS = {
    "out of memory": (("config", "set", "maxmemory", "1"), ("config", "set", "maxmemory", "0"), None),
    "a replica": (("replicaof", "127.0.0.1", "1"), ("replicaof", "no", "one"), "against a read only replica"),
    "without replicas": (
        ("config", "set", "min-replicas-to-write", "1"),
        ("config", "set", "min-replicas-to-write", "0"),
        "Not enough good replicas",
    ),
}


@pytest.mark.parametrize("fault", REFUSALS)
async def test_a_store_that_refuses_is_told_in_time_and_costs_nothing(tmp_path: Path, fault: str) -> None:
    refuse, accept, complaint = REFUSALS[fault]
    with Harness(tmp_path) as harness:
        url = harness.add_api()
        # One process works, and its worker waits for more.
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            following = [asyncio.create_task(person.follow(await person.submit(LONG)))]
            await eventually(lambda: somebody_works(harness))
            harness.client.execute_command(*refuse)
            before = harness.client.dbsize()
            await all_are_told(url)
            assert harness.client.dbsize() <= before
            if complaint is not None:
                await eventually(lambda: said(harness, complaint))
                # One that begins just then is no less patient.
                harness.add_worker()
                await eventually(lambda: said(harness, "Trying to re-establish the connection"))
            else:
                # What workers had begun is done and kept meanwhile.
                await eventually(lambda: nobody_works(harness), 20)
                assert all("failed" not in line for line in harness.workers[0].output().splitlines() if "job " in line)
            harness.client.execute_command(*accept)
            for worker in harness.workers:
                assert "DeprecationWarning" not in worker.ready().output()
            await person.submit(Order(1_000))
            await asyncio.gather(*following)
            assert await judge(harness, expected_jobs) == []


async def test_a_store_that_loads_is_told_in_time_and_has_all_of_it_then(tmp_path: Path) -> None:
    """It takes so many microseconds for each command in its file, and between a thousand of them it answers."""
    with Harness(tmp_path, **{"key-load-delay": "500"}) as harness:
        url = harness.add_api()
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            for _ in range(10):
                await person.submit(Order(1_000))
            with harness.client.pipeline(transaction=False) as pipeline:
                for number in range(20_000):
                    pipeline.set(f"other:{number}", "")
                pipeline.execute()
            harness.valkey.restart()
            await eventually(lambda: is_loading(harness), 20)
            await all_are_told(url)
            assert await is_loading(harness)
            harness.valkey.ready()
            await person.submit(Order(1_000))
            assert await judge(harness, expected_jobs) == []


async def test_work_that_was_done_while_the_store_was_away_is_no_reason_to_fail(tmp_path: Path) -> None:
    """Away until the worker has given up to tell of it; its lease lasts longer, and nobody else ends the job before."""
    with Harness(tmp_path) as harness:
        harness.add_api()
        harness.add_worker(processes=1, LEASE_SECONDS="10").ready()
        expected_jobs = ExpectedJobs()
        async with Person(harness.urls, expected_jobs, random.Random(1)) as person:
            job_id = await person.submit(LONG)
            await eventually(lambda: somebody_works(harness))
            harness.valkey.kill()
            await eventually(lambda: said(harness, f"Job {job_id} segment 0: "), 60)
            harness.valkey.start()
            harness.valkey.ready()
            assert await judge(harness, expected_jobs) == []


async def test_a_job_beyond_the_limits_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api()
        async with httpx.AsyncClient(base_url=url) as client:
            for count, start in ((10**8 + 1, 2), (2**53, 2), (10**40, 2), (10, 2**53), (10**8, 2**53 - 10)):
                body = {"query": SUBMIT, "variables": {"input": {"count": count, "start": start}}}
                answer = (await client.post("/graphql", json=body)).json()
                refused = "errors" in answer or answer["data"]["generatePrimes"]["__typename"] == "ValidationError"
                assert refused, answer
            for n in (10**8 + 1, 10**40):
                assert (await client.post(f"/generate?n={n}")).status_code == httpx.codes.BAD_REQUEST
        assert list(harness.client.scan_iter(f"{PREFIX}job:*")) == []
