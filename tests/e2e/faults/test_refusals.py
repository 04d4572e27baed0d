"""Requests that fail: the store is out of memory, a replica or loading, or the request exceeds a limit."""

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

from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest
from tests.e2e.faults.harness.invariants import check_invariants
from tests.e2e.faults.harness.outage import expect_unavailable
from tests.e2e.faults.harness.scenarios import LONG_JOB, segment_is_leased
from tests.e2e.faults.harness.system import PREFIX, Harness
from tests.e2e.faults.harness.users import SUBMIT, User
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path


NO_RETRY = Retry(NoBackoff(), 0)


async def no_segment_is_leased(harness: Harness) -> bool:
    return not harness.keys.leases()


async def has_logged(harness: Harness, text: str) -> bool:
    """Whether every worker has logged this text."""
    return all(text in worker.output() for worker in harness.workers)


async def is_loading(harness: Harness) -> bool:
    """Whether the store reports that it is loading. False if it does not respond."""
    with suppress(redis.ConnectionError), redis.Redis(port=harness.port, socket_timeout=5, retry=NO_RETRY) as client:
        try:
            return not client.ping()
        except redis.BusyLoadingError:
            return True
    return False


# The command that causes the refusal, the command that ends it, and what a worker without messages logs of it.
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
async def test_store_that_refuses_writes_is_reported_in_time_and_loses_no_job(tmp_path: Path, fault: str) -> None:
    refuse, accept, logged = REFUSALS[fault]
    with Harness(tmp_path) as harness:
        harness.add_api()
        # One process of the worker computes, and the worker waits for more messages.
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            following = [asyncio.create_task(user.follow(await user.submit(LONG_JOB)))]
            await eventually(lambda: segment_is_leased(harness))
            harness.client.execute_command(*refuse)
            before = harness.client.dbsize()
            await expect_unavailable(harness)
            assert harness.client.dbsize() <= before
            if logged is not None:
                await eventually(lambda: has_logged(harness, logged))
                # A worker that starts during the refusal retries too.
                harness.add_worker()
                await eventually(lambda: has_logged(harness, "Trying to re-establish the connection"))
            else:
                # Workers complete the segments that they had claimed.
                await eventually(lambda: no_segment_is_leased(harness))
                assert all("failed" not in line for line in harness.workers[0].output().splitlines() if "Job " in line)
            harness.client.execute_command(*accept)
            for worker in harness.workers:
                assert "DeprecationWarning" not in worker.ready().output()
            await user.submit(JobRequest(1_000))
            await asyncio.gather(*following)
            assert await check_invariants(harness, expected_jobs) == []


async def test_store_that_loads_its_data_is_reported_in_time_and_loses_no_job(tmp_path: Path) -> None:
    """key-load-delay: microseconds per command of the file. The server responds after every 1,000 commands."""
    with Harness(tmp_path, **{"key-load-delay": "500"}) as harness:
        harness.add_api()
        harness.add_worker().ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            for _ in range(10):
                await user.submit(JobRequest(1_000))
            with harness.client.pipeline(transaction=False) as pipeline:
                for number in range(20_000):
                    pipeline.set(f"other:{number}", "")
                pipeline.execute()
            harness.valkey.restart()
            await eventually(lambda: is_loading(harness))
            await expect_unavailable(harness)
            assert await is_loading(harness)
            harness.valkey.ready()
            await user.submit(JobRequest(1_000))
            assert await check_invariants(harness, expected_jobs) == []


async def test_segment_completed_during_an_outage_does_not_fail_its_job(tmp_path: Path) -> None:
    """The outage lasts until the worker gives up on recording the segment, and less than its lease."""
    with Harness(tmp_path) as harness:
        harness.add_api()
        harness.add_worker(processes=1, LEASE_SECONDS="10").ready()
        expected_jobs = ExpectedJobs()
        async with User(harness.urls, expected_jobs, random.Random(1)) as user:
            job_id = await user.submit(LONG_JOB)
            await eventually(lambda: segment_is_leased(harness))
            harness.valkey.kill()
            await eventually(lambda: has_logged(harness, f"Job {job_id} segment 0: "))
            harness.valkey.start()
            harness.valkey.ready()
            assert await check_invariants(harness, expected_jobs) == []


async def test_request_beyond_the_limits_is_refused_and_leaves_no_keys(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api()
        async with httpx.AsyncClient(base_url=url) as client:
            for count, start in ((10**8 + 1, 2), (2**53, 2), (10**40, 2), (10, 2**53), (10**8, 2**53 - 10)):
                body = {"query": SUBMIT, "variables": {"input": {"count": count, "start": start}}}
                response = (await client.post("/graphql", json=body)).json()
                refused = "errors" in response or response["data"]["generatePrimes"]["__typename"] == "ValidationError"
                assert refused, response
            for n in (10**8 + 1, 10**40):
                assert (await client.post(f"/generate?n={n}")).status_code == httpx.codes.BAD_REQUEST
        assert list(harness.client.scan_iter(f"{PREFIX}job:*")) == []
