"""Each transport reports the current state first, then increasing versions, then one final state, whatever happens.

Jobs are submitted, cancelled and retried, workers crash, and subscribers leave and resume, in random order. The seed is
part of the test's id.
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
from tests.e2e.live_updates.transports import (
    EVENT_STREAM,
    MULTIPART,
    TRANSPORTS,
    BackendUnavailableError,
    prime_batches,
)
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
    """A system for one test, which may kill its workers and its store."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder = folder
        self.stack = stack
        self.valkey: Valkey = stack.enter_context(programs.valkey(folder / "valkey"))
        # Short leases, so that segments of a killed worker are claimed again within the test.
        self.workers = [self.start_worker(), self.start_worker()]
        self.url, self.api = stack.enter_context(programs.api(folder, self.valkey.url, "updates:"))

    def start_worker(self) -> Program:
        started = programs.worker(self.folder, self.valkey.url, "updates:", LEASE_SECONDS="1", MAX_ATTEMPTS="20")
        return self.stack.enter_context(started)

    async def post(self, query: str, **variables: Any) -> dict[str, Any]:
        async with httpx.AsyncClient(timeout=30) as client:
            response = await client.post(f"{self.url}/graphql", json={"query": query, "variables": variables})
        data: dict[str, Any] = response.json()["data"]
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
async def test_every_transport_reports_the_same_states_in_any_interleaving(harness: Harness, seed: int) -> None:
    rng = random.Random(seed)
    crashes = asyncio.create_task(kill_workers(harness, random.Random(seed), times=3))
    await asyncio.gather(*(run_random_job(harness, random.Random(rng.random())) for _ in range(JOBS)))
    await crashes


async def run_random_job(harness: Harness, rng: random.Random) -> None:
    """Submit a job, follow it over several transports, cancel it in some cases, and retry it if it was cancelled."""
    await asyncio.sleep(rng.random() * 3)
    # From a large start, a million primes take long enough for a worker to be killed meanwhile.
    is_large = rng.random() < 0.1
    count = 1_000_000 if is_large else rng.randint(1, 5_000)
    job_id = await harness.submit(count, 10**14 if is_large else 2)
    followers = [follow(harness, job_id, rng.choice(list(TRANSPORTS)), rng) for _ in range(rng.randint(1, 3))]
    if not is_large and rng.random() < 0.5:
        followers.append(stream(harness, job_id, engine.primes_from(2, count).tolist(), rng))
    cancelling = harness.post("mutation ($id: ID!) { cancelJob(id: $id) { __typename } }", id=job_id)
    if rng.random() < 0.3:
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
        await follow(harness, retried["retryJob"]["job"]["id"], rng.choice(list(TRANSPORTS)), rng)


async def follow(harness: Harness, job_id: str, transport: str, rng: random.Random) -> None:
    """Follow a job to its final state, leaving and resuming at random, and check the received states."""
    await asyncio.sleep(rng.random() * rng.choice([0, 0.05, 0.5]))
    received: list[State] = []
    while not (received and received[-1]["isFinal"]):
        after = received[-1]["version"] if received else None
        with suppress(BackendUnavailableError):
            async with aclosing(TRANSPORTS[transport](harness.url, job_id, after)) as states:
                async for state in states:
                    received.append(state)
                    if not state["isFinal"] and rng.random() < 0.2:
                        transport = rng.choice(list(TRANSPORTS))
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


async def stream(harness: Harness, job_id: str, expected: list[int], rng: random.Random) -> None:
    """Stream the primes from a random index, leaving and resuming at random: no gap, no repetition, a last event."""
    start = rng.choice([0, rng.randrange(len(expected))])
    values: list[int] = []
    end = None
    while end is None:
        accept = rng.choice([EVENT_STREAM, MULTIPART])
        async with aclosing(prime_batches(harness.url, job_id, start + len(values), accept)) as events:
            async for event in events:
                if event["__typename"] == "JobStopped" or event.get("isLast"):
                    end = event["__typename"]
                if event["__typename"] == "PrimeBatch":
                    assert event["offset"] == start + len(values)
                    values += event["values"]
                if rng.random() < 0.3:
                    break
    assert values == expected[start : start + len(values)]
    final = await harness.final_state(job_id)
    if final["status"] == "SUCCEEDED":
        assert (end, len(values)) == ("PrimeBatch", len(expected) - start)
    else:
        assert end == "JobStopped"


async def kill_workers(harness: Harness, rng: random.Random, times: int) -> None:
    """Kill child processes of workers at random times; the workers replace them."""
    for _ in range(times):
        await asyncio.sleep(0.5 + rng.random())
        children = psutil.Process(rng.choice(harness.workers).process.pid).children()
        os.kill(rng.choice(children).pid, signal.SIGKILL)


@pytest.mark.parametrize("clients", [8, 50, 200])
async def test_no_subscriber_misses_the_final_state(harness: Harness, clients: int) -> None:
    rng = random.Random(clients)
    await asyncio.gather(*(submit_and_follow(harness, transport_of(i), rng) for i in range(clients)))


async def test_no_subscriber_misses_the_final_state_although_the_store_is_killed(harness: Harness) -> None:
    jobs = [await harness.submit(1_000_000, 8 * 10**15) for _ in range(60)]
    following = asyncio.gather(*(follow_through_the_outage(harness, job) for job in jobs for _ in range(2)))
    finished = "{ jobs(filter: {statuses: [SUCCEEDED]}) { totalCount } }"

    async def some_are_finished() -> bool:
        return int((await harness.post(finished))["jobs"]["totalCount"]) >= 2

    await eventually(some_are_finished)
    assert harness.valkey.program is not None
    harness.valkey.program.kill()
    restarted = programs.valkey(harness.valkey.folder, harness.valkey.port)
    await asyncio.to_thread(harness.stack.enter_context, restarted)
    await asyncio.wait_for(following, 60)
    for job in jobs:
        assert (await harness.final_state(job))["status"] == "SUCCEEDED"


async def follow_through_the_outage(harness: Harness, job_id: str) -> None:
    """Follow by WebSocket, resuming if the stream reports the outage. Existing streams continue without an error."""
    received: list[State] = []
    while not (received and received[-1]["isFinal"]):
        with suppress(BackendUnavailableError):
            states = TRANSPORTS["websocket"](harness.url, job_id, received[-1]["version"] if received else None)
            async for state in states:
                received.append(state)  # noqa: PERF401 - states received before an outage must be kept
    assert [state["isFinal"] for state in received].count(True) == 1, received
    assert received[-1]["status"] == "SUCCEEDED"


async def submit_and_follow(harness: Harness, transport: str, rng: random.Random) -> None:
    await follow(harness, await harness.submit(rng.randint(10, 1_000)), transport, random.Random(rng.random()))


def transport_of(number: int) -> str:
    return list(TRANSPORTS)[number % len(TRANSPORTS)]


async def test_disconnected_subscriber_is_removed(harness: Harness) -> None:
    for worker in harness.workers:
        worker.kill()
    job_id = await harness.submit(10)
    for transport in TRANSPORTS:
        async with aclosing(TRANSPORTS[transport](harness.url, job_id)) as states:
            await anext(states)

    def subscribers() -> int:
        response = httpx.post(f"{harness.url}/graphql", json={"query": "{ system { subscribers } }"}).json()
        found: int = response["data"]["system"]["subscribers"]
        return found

    wait_until(lambda: subscribers() == 0)
