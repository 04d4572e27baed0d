"""The rules: what must hold after any fault, once the system has had the time to end what it took on.

Every acknowledged id has exactly one final state that no longer moves, and the result of a reference; every subscriber
was told of the end once; queues, leases and listings of open jobs are empty; memory is bounded; no key stays for ever.
Results are read as a client reads them. What the keys are called is known to tests.tasks.keys.
"""

from __future__ import annotations

import asyncio
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from tasks import engine
from tasks.jobs import JobStatus
from tasks.storage.messages import QUEUES
from tests.conftest import PERMANENT_KEYS
from tests.e2e.faults.harness.system import PREFIX
from tests.e2e.faults.harness.users import ask
from tests.tasks.engine.sieve import primes_below

if TYPE_CHECKING:
    from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, Order
    from tests.e2e.faults.harness.system import Harness

DRAIN_SECONDS = 30

# How much of the store a job may keep beside its primes, and what there is whatever the number of jobs.
JOB_BYTES = 8_000
FIXED_BYTES = 4_000_000

# Read as a whole, prime by prime, through the older door.
SAMPLES = 5
SAMPLE_COUNT = 100_000

JOB = """query ($id: ID!) { job(id: $id) {
    version status isFinal failure { reason } result { state available first last sha256 }
} }"""
OPEN = "{ system { queue { queued running } } }"


async def judge(
    harness: Harness, expected_jobs: ExpectedJobs, drain_seconds: float = DRAIN_SECONDS, strangers_allowed: int = 0
) -> list[str]:
    """What is wrong, a sentence each; nothing when all rules hold.

    Args:
        stage: the system, all of its faults over.
        ledger: what people were told.
        drain_seconds: how long open jobs may take to end.
        strangers_allowed: how many jobs there may be of people who went away without an answer.
    """
    found = list(expected_jobs.faults)
    async with httpx.AsyncClient(base_url=harness.urls[0], timeout=30) as client:
        found += await _not_drained(client, harness, drain_seconds)
        finals = {job_id: (await ask(client, JOB, id=job_id))["job"] for job_id in expected_jobs.orders}
        for job_id, order in expected_jobs.orders.items():
            found += [f"{job_id}: {flaw}" for flaw in _flaws(order, finals[job_id])]
        whole = [known for known, job in finals.items() if job and job["status"] == "SUCCEEDED"]
        for job_id in [known for known in whole if expected_jobs.orders[known].count <= SAMPLE_COUNT][-SAMPLES:]:
            answer = (await client.get(f"/status/{job_id}")).json()
            if answer["result"] is None or digest(np.array(answer["result"], dtype=np.uint64)) != expected(
                expected_jobs.orders[job_id].count, expected_jobs.orders[job_id].start
            ):
                found.append(f"{job_id}: REST gives other primes")
    for job_id, states in expected_jobs.received:
        found += [f"{job_id}: {flaw}" for flaw in _misled(states, finals[job_id])]
    strangers = harness.keys.statuses_by_job().keys() - expected_jobs.orders.keys()
    if len(strangers) > strangers_allowed:
        found.append(f"made for nobody, or twice: {sorted(strangers)}")
    return found + await asyncio.to_thread(_left_behind, harness, expected_jobs)


@cache
def expected(count: int, start: int) -> str:
    """The checksum of the first `count` primes from `start` on; near zero by a sieve that shares nothing with ours."""
    if start > 2:
        return digest(engine.primes_from(start, count))
    bound = max(20, int(count * (np.log(count) + np.log(np.log(count))))) if count > 5 else 20
    return digest(np.asarray(primes_below(bound)[:count], dtype=np.uint64))


def digest(primes: np.ndarray[Any, np.dtype[np.uint64]]) -> str:
    return hashlib.sha256(primes.astype("<u8").tobytes()).hexdigest()


async def _not_drained(client: httpx.AsyncClient, harness: Harness, seconds: float) -> list[str]:
    """Waits for the end of all open jobs, and of messages that were sent twice."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        queue = (await ask(client, OPEN))["system"]["queue"]
        waiting = {name: harness.client.llen(f"{PREFIX}{name}") for name in QUEUES}
        if not queue["queued"] + queue["running"] + sum(int(length) for length in waiting.values()):
            return []
        if asyncio.get_running_loop().time() > deadline:
            return [f"after {seconds} s open: {queue}, messages: {waiting}"]
        await asyncio.sleep(0.1)


def _flaws(order: Order, job: dict[str, Any] | None) -> list[str]:
    """What is wrong with a job that was acknowledged."""
    if job is None:
        return ["was acknowledged and is unknown"]
    if not job["isFinal"]:
        return [f"is {job['status']}"]
    if job["status"] not in order.may_end:
        return [f"is {job['status']} {job['failure']}, must be {sorted(order.may_end)}"]
    result = job["result"]
    if job["status"] == "SUCCEEDED":
        wanted = (order.count, expected(order.count, order.start))
        return [] if (result["available"], result["sha256"]) == wanted else [f"has the result {result}, not {wanted}"]
    return [f"is {job['status']} with the result {result}"] if result["sha256"] else []


def _misled(states: list[dict[str, Any]], job: dict[str, Any] | None) -> list[str]:
    """What is wrong with what one subscriber was told."""
    versions = [state["version"] for state in states]
    ends = [(state["version"], state["status"]) for state in states if state["isFinal"]]
    if versions != sorted(set(versions)):
        return [f"versions do not rise: {versions}"]
    if len(ends) != 1:
        return [f"a subscriber was told of {len(ends)} ends: {states}"]
    if job and ends[0] != (job["version"], job["status"]):
        return [f"was told to have ended as {ends[0]}, is {job['version']}, {job['status']}"]
    return []


def _left_behind(harness: Harness, expected_jobs: ExpectedJobs) -> list[str]:
    """What should not be in the store any more, or not for ever."""
    keys = harness.keys
    left: dict[str, object] = {"leases": keys.leases(), "deadlines": keys.deadlines()}
    left |= {f"messages in {queue}": keys.queued_segments(queue) for queue in QUEUES}
    left |= {f"sent to {queue}": keys.sent_at_ms(queue) for queue in QUEUES}
    left |= {
        f"listed as {status}": keys.job_ids_with_status(status) for status in (JobStatus.QUEUED, JobStatus.RUNNING)
    }
    found = [f"{what}: {things}" for what, things in left.items() if things]
    listed = keys.statuses_by_job()
    found += [
        f"{job_id} is listed as {listed.get(job_id)}"
        for job_id in expected_jobs.orders
        if len(listed.get(job_id, [])) != 1
    ]
    names = [key.decode().removeprefix(PREFIX) for key in harness.client.scan_iter(f"{PREFIX}*", count=1000)]
    lasting = [name for name in names if keys.ttl_ms(name) == -1 and not name.startswith(PERMANENT_KEYS)]
    if lasting:
        found.append(f"without a time-to-live: {lasting}")
    used = harness.memory()
    bound = FIXED_BYTES + sum(JOB_BYTES + 2 * order.count for order in expected_jobs.orders.values())
    return [*found, f"{used} bytes are used, at most {bound} expected"] if used > bound else found
