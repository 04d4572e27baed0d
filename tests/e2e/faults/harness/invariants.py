"""The invariants that must hold after any fault, once the system had time to complete its jobs.

Every acknowledged job has exactly one final state, and the result of a reference implementation. Every subscriber
received that final state once. Queues, leases and lists of open jobs are empty, memory is bounded, and every key has a
time-to-live. Results are read through the API; tests.tasks.keys knows the names of keys.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import numpy as np

from tasks import engine
from tasks.jobs import JobStatus
from tasks.storage.messages import QUEUES
from tests.conftest import PERMANENT_KEYS
from tests.e2e.faults.harness.system import PREFIX
from tests.e2e.faults.harness.users import execute
from tests.tasks.engine.sieve import primes_below
from tests.verification import checksum

if TYPE_CHECKING:
    from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest
    from tests.e2e.faults.harness.system import Harness

# Takes a few seconds, and longer on a machine that is busy with other tests.
DRAIN_SECONDS = 90

# Bytes of the store for a job without its primes, and bytes that do not depend on the number of jobs.
JOB_BYTES = 8_000
FIXED_BYTES = 4_000_000

# How many results are read completely through REST, and the largest count of such a job.
SAMPLES = 5
MAX_SAMPLE_COUNT = 100_000

JOB = """query ($id: ID!) { job(id: $id) {
    version status isFinal failure { reason } result { state available first last sha256 }
} }"""
OPEN = "{ system { queue { queued running } } }"


async def check_invariants(
    harness: Harness, expected_jobs: ExpectedJobs, drain_seconds: float = DRAIN_SECONDS, max_unacknowledged: int = 0
) -> list[str]:
    """Return the violated invariants, one sentence each.

    Args:
        harness: the system, after all faults.
        expected_jobs: what users saw.
        drain_seconds: how long open jobs may take to become final.
        max_unacknowledged: how many jobs may exist whose submission got no response.
    """
    found = list(expected_jobs.violations)
    async with httpx.AsyncClient(base_url=harness.urls[0], timeout=30) as client:
        found += await _wait_until_drained(client, harness, drain_seconds)
        finals = {job_id: (await execute(client, JOB, id=job_id))["job"] for job_id in expected_jobs.requests}
        for job_id, request in expected_jobs.requests.items():
            found += [f"{job_id}: {violation}" for violation in _job_violations(request, finals[job_id])]
        succeeded = [job_id for job_id, job in finals.items() if job and job["status"] == "SUCCEEDED"]
        small = [job_id for job_id in succeeded if expected_jobs.requests[job_id].count <= MAX_SAMPLE_COUNT]
        for job_id in small[-SAMPLES:]:
            response = (await client.get(f"/status/{job_id}")).json()
            if response["result"] is None or checksum(np.array(response["result"], dtype=np.uint64)) != expected(
                expected_jobs.requests[job_id].count, expected_jobs.requests[job_id].start
            ):
                found.append(f"{job_id}: the result from REST differs from the reference")
    for job_id, states in expected_jobs.subscriptions:
        found += [f"{job_id}: {violation}" for violation in _subscriber_violations(states, finals[job_id])]
    unacknowledged = harness.keys.statuses_by_job().keys() - expected_jobs.requests.keys()
    if len(unacknowledged) > max_unacknowledged:
        found.append(f"jobs without an acknowledged submission: {sorted(unacknowledged)}")
    return found + await asyncio.to_thread(_leftovers, harness, expected_jobs)


@cache
def expected(count: int, start: int) -> str:
    """The checksum of the first `count` primes from `start`. Primes from 2 are computed by an independent sieve."""
    if start > 2:
        return checksum(engine.primes_from(start, count))
    bound = max(20, int(count * (np.log(count) + np.log(np.log(count))))) if count > 5 else 20
    return checksum(primes_below(bound)[:count])


async def _wait_until_drained(client: httpx.AsyncClient, harness: Harness, seconds: float) -> list[str]:
    """Wait until no job is open and no message is queued, also of those sent twice."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        queue = (await execute(client, OPEN))["system"]["queue"]
        waiting = {name: harness.client.llen(f"{PREFIX}{name}") for name in QUEUES}
        if not queue["queued"] + queue["running"] + sum(int(length) for length in waiting.values()):
            return []
        if asyncio.get_running_loop().time() > deadline:
            return [f"not drained after {seconds} s: {queue}, messages: {waiting}"]
        await asyncio.sleep(0.1)


def _job_violations(request: JobRequest, job: dict[str, Any] | None) -> list[str]:
    """What is wrong with an acknowledged job."""
    if job is None:
        return ["was acknowledged and does not exist"]
    if not job["isFinal"]:
        return [f"is {job['status']}"]
    if job["status"] not in request.allowed_statuses:
        return [f"is {job['status']} {job['failure']}, must be {sorted(request.allowed_statuses)}"]
    result = job["result"]
    if job["status"] == "SUCCEEDED":
        expected_result = (request.count, expected(request.count, request.start))
        if (result["available"], result["sha256"]) == expected_result:
            return []
        return [f"has the result {result}, not {expected_result}"]
    return [f"is {job['status']} with the result {result}"] if result["sha256"] else []


def _subscriber_violations(states: list[dict[str, Any]], job: dict[str, Any] | None) -> list[str]:
    """What is wrong with the states that one subscriber received."""
    versions = [state["version"] for state in states]
    final_states = [(state["version"], state["status"]) for state in states if state["isFinal"]]
    if versions != sorted(set(versions)):
        return [f"versions received by a subscriber do not increase: {versions}"]
    if len(final_states) != 1:
        return [f"a subscriber received {len(final_states)} final states: {states}"]
    if job and final_states[0] != (job["version"], job["status"]):
        return [f"a subscriber received final state {final_states[0]} of a job in {job['version'], job['status']}"]
    return []


def _leftovers(harness: Harness, expected_jobs: ExpectedJobs) -> list[str]:
    """Entries that should have been deleted, and keys without a time-to-live."""
    keys = harness.keys
    left: dict[str, object] = {"leases": keys.leases(), "deadlines": keys.deadlines()}
    left |= {f"messages in {queue}": keys.queued_segments(queue) for queue in QUEUES}
    left |= {f"sent to {queue}": keys.sent_at_ms(queue) for queue in QUEUES}
    left |= {
        f"listed as {status}": keys.job_ids_with_status(status) for status in (JobStatus.QUEUED, JobStatus.RUNNING)
    }
    found = [f"{name}: {entries}" for name, entries in left.items() if entries]
    listed = keys.statuses_by_job()
    found += [
        f"{job_id} has the listed statuses {listed.get(job_id)}"
        for job_id in expected_jobs.requests
        if len(listed.get(job_id, [])) != 1
    ]
    names = [key.decode().removeprefix(PREFIX) for key in harness.client.scan_iter(f"{PREFIX}*", count=1000)]
    permanent = [name for name in names if keys.ttl_ms(name) == -1 and name not in PERMANENT_KEYS]
    if permanent:
        found.append(f"keys without a time-to-live: {permanent}")
    used = harness.memory_bytes()
    bound = FIXED_BYTES + sum(JOB_BYTES + 2 * request.count for request in expected_jobs.requests.values())
    return [*found, f"the store uses {used} bytes, expected at most {bound}"] if used > bound else found
