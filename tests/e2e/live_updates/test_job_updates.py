"""Whatever happens to a job, however it is followed: the current state first, rising versions, one end, alike for all.

Random interleavings of submitting, working, cancelling, retrying, crashing, subscribing, leaving and resuming; the seed
is part of the test's name.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from contextlib import ExitStack, aclosing, suppress
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from tasks import engine
from tests import programs
from tests.e2e.live_updates.transports import EVENT_STREAM, MULTIPART, TRANSPORTS, Unavailable, prime_batches
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.live_updates.transports import State
    from tests.programs import Program, Valkey

JOBS = 60
FINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}
SUBMIT = """mutation ($count: Int!, $start: SafeInt!) {
    generatePrimes(input: {count: $count, start: $start}) { ... on GeneratePrimesAccepted { job { id } } }
}"""


class Harness:
    """A system of its own, some of whose parts may be killed."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.valkey: Valkey = stack.enter_context(programs.valkey(folder / "valkey"))
        # Short leases, so that what a killed worker leaves is taken up within the test.
        self.workers = [self.new_worker(), self.new_worker()]
        self.url, self.api = stack.enter_context(programs.api(folder, self.valkey.url, "stage:"))

    def new_worker(self) -> Program:
        started = programs.worker(self.folder, self.valkey.url, "stage:", LEASE_SECONDS="1", MAX_ATTEMPTS="20")
        return self.stack.enter_context(started)

    async def post(self, query: str, **variables: Any) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=30) as client:
            answer = await client.post(f"{self.url}/graphql", json={"query": query, "variables": variables})
        data: dict[str, Any] = answer.json()["data"]
        return data

    async def submit(self, count: int, start: int = 2) -> str:
        job_id: str = (await self.post(SUBMIT, count=count, start=start))["generatePrimes"]["job"]["id"]
        return job_id

    async def final_state(self, job_id: str) -> State:
        found: State = (await self.post("query ($id: ID!) { job(id: $id) { version status } }", id=job_id))["job"]
        return found


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    with ExitStack() as stack:
        yield Harness(tmp_path, stack)


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_any_interleaving_is_told_alike_on_every_transport(harness: Harness, seed: int) -> None:
    chance = random.Random(seed)
    crashes = asyncio.create_task(kill_workers(harness, random.Random(seed), times=3))
    await asyncio.gather(*(one_life(harness, random.Random(chance.random())) for _ in range(JOBS)))
    await crashes


async def one_life(harness: Harness, chance: random.Random) -> None:
    """Submit, follow in several ways, perhaps cancel, perhaps retry."""
    await asyncio.sleep(chance.random() * 3)
    # Far out, a million primes take long enough for a worker to be killed at it.
    big = chance.random() < 0.1
    count = 1_000_000 if big else chance.randint(1, 5_000)
    job_id = await harness.submit(count, 10**14 if big else 2)
    followers = [follow(harness, job_id, chance.choice(list(TRANSPORTS)), chance) for _ in range(chance.randint(1, 3))]
    if not big and chance.random() < 0.5:
        followers.append(stream(harness, job_id, engine.primes_from(2, count).tolist(), chance))
    cancelling = harness.post("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=job_id)
    if chance.random() < 0.3:
        followers.append(cancelling)  # type: ignore[arg-type]
    else:
        cancelling.close()
    await asyncio.gather(*followers)
    retried = await harness.post(
        "mutation ($id: ID!) { retryJob(id: $id) { __typename ... on RetryJobAccepted { job { id } } } }", id=job_id
    )
    cancelled = (await harness.final_state(job_id))["status"] == "CANCELLED"
    assert (retried["retryJob"]["__typename"] == "RetryJobAccepted") is cancelled
    if cancelled:
        await follow(harness, retried["retryJob"]["job"]["id"], chance.choice(list(TRANSPORTS)), chance)


async def follow(harness: Harness, job_id: str, transport: str, chance: random.Random) -> None:
    """Follow to the end, perhaps leaving and resuming on the way, and check what was told."""
    await asyncio.sleep(chance.random() * chance.choice([0, 0.05, 0.5]))
    received: list[State] = []
    while not (received and received[-1]["isFinal"]):
        after = received[-1]["version"] if received else None
        with suppress(Unavailable):
            async with aclosing(TRANSPORTS[transport](harness.url, job_id, after)) as states:
                async for state in states:
                    received.append(state)
                    if not state["isFinal"] and chance.random() < 0.2:
                        transport = chance.choice(list(TRANSPORTS))
                        break
    versions = [state["version"] for state in received]
    assert versions == sorted(set(versions)), (transport, received)
    assert [state["isFinal"] for state in received].count(True) == 1, (transport, received)
    final = await harness.final_state(job_id)
    assert final["status"] in FINAL
    assert (received[-1]["version"], received[-1]["status"]) == (final["version"], final["status"]), (
        transport,
        received,
    )


async def stream(harness: Harness, job_id: str, expected: list[int], chance: random.Random) -> None:
    """The job's primes from some index on, leaving and resuming on the way: no gap, no repeat, and a reason to end."""
    start = chance.choice([0, chance.randrange(len(expected))])
    values: list[int] = []
    end = None
    while end is None:
        accept = chance.choice([EVENT_STREAM, MULTIPART])
        async with aclosing(prime_batches(harness.url, job_id, start + len(values), accept)) as events:
            async for event in events:
                if event["__typename"] == "JobStopped" or event.get("isLast"):
                    end = event["__typename"]
                if event["__typename"] == "PrimeBatch":
                    assert event["offset"] == start + len(values)
                    values += event["values"]
                if chance.random() < 0.3:
                    break
    assert values == expected[start : start + len(values)]
    final = await harness.final_state(job_id)
    if final["status"] == "SUCCEEDED":
        assert (end, len(values)) == ("PrimeBatch", len(expected) - start)
    else:
        assert end == "JobStopped"


async def kill_workers(harness: Harness, chance: random.Random, times: int) -> None:
    """Kill a child process of a worker now and then; the worker starts another."""
    for _ in range(times):
        await asyncio.sleep(0.5 + chance.random())
        children = psutil.Process(chance.choice(harness.workers).process.pid).children()
        os.kill(chance.choice(children).pid, signal.SIGKILL)


@pytest.mark.parametrize("clients", [8, 50, 200])
async def test_nobody_who_submits_and_then_subscribes_misses_the_end(harness: Harness, clients: int) -> None:
    chance = random.Random(clients)
    await asyncio.gather(*(submit_and_follow(harness, transport_of(i), chance) for i in range(clients)))


async def test_nobody_misses_the_end_although_valkey_is_killed_midway(harness: Harness) -> None:
    jobs = [await harness.submit(1_000_000, 8 * 10**15) for _ in range(60)]
    following = asyncio.gather(*(watch_through(harness, job) for job in jobs for _ in range(2)))
    finished = "{ jobs(filter: {statuses: [SUCCEEDED]}) { totalCount } }"

    async def midway() -> bool:
        return int((await harness.post(finished))["jobs"]["totalCount"]) >= 2

    await eventually(midway, 60)
    assert harness.valkey.program is not None
    harness.valkey.program.kill()
    restarted = programs.valkey(harness.valkey.folder, harness.valkey.port)
    await asyncio.to_thread(harness.stack.enter_context, restarted)
    await asyncio.wait_for(following, 60)
    for job in jobs:
        assert (await harness.final_state(job))["status"] == "SUCCEEDED"


async def watch_through(harness: Harness, job_id: str) -> None:
    """Follow by WebSocket; whoever was there before the outage is not even told of it."""
    received: list[State] = []
    while not (received and received[-1]["isFinal"]):
        with suppress(Unavailable):
            states = TRANSPORTS["websocket"](harness.url, job_id, received[-1]["version"] if received else None)
            async for state in states:
                received.append(state)  # noqa: PERF401 - what was told before an outage must be kept
    assert [state["isFinal"] for state in received].count(True) == 1, received
    assert received[-1]["status"] == "SUCCEEDED"


async def submit_and_follow(harness: Harness, transport: str, chance: random.Random) -> None:
    await follow(harness, await harness.submit(chance.randint(10, 1_000)), transport, random.Random(chance.random()))


def transport_of(number: int) -> str:
    return list(TRANSPORTS)[number % len(TRANSPORTS)]


async def test_a_subscriber_that_leaves_is_forgotten(harness: Harness) -> None:
    for worker in harness.workers:
        worker.kill()
    job_id = await harness.submit(10)
    for transport in TRANSPORTS:
        async with aclosing(TRANSPORTS[transport](harness.url, job_id)) as states:
            await anext(states)

    def subscribers() -> int:
        answer = httpx.post(f"{harness.url}/graphql", json={"query": "{ system { subscribers } }"}).json()
        found: int = answer["data"]["system"]["subscribers"]
        return found

    wait_until(lambda: subscribers() == 0, 20)
