"""Checks how the API behaves while the store is unavailable."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from tests.e2e.faults.harness.expected_jobs import report
from tests.e2e.faults.harness.users import SUBMIT
from tests.stopwatch import Stopwatch

if TYPE_CHECKING:
    from tests.e2e.faults.harness.system import Harness

# A request that the store does not answer is refused 2 s after the API has received it.
MAX_WAIT_SECONDS = 2.25
# A machine that is busy with other tests delays requests and responses. So probes are the clock: when these have been
# answered, all requests have been received, and of those that are sent after the wait, only a few overtake a response.
EARLY_PROBES = 5
MAX_LATE_PROBES = 8
MAX_PROBE_SECONDS = 0.1
CALLERS = 10


@dataclass(frozen=True, slots=True)
class Probe:
    """A request that does not need the store."""

    sent_at: float
    answered_at: float
    watch: Stopwatch


async def expect_unavailable(harness: Harness) -> None:
    """The newest API refuses every caller in time because the store is unavailable, and probes succeed meanwhile."""
    url, process = harness.urls[-1], harness.apis[-1].pid
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        # Connect first: a burst of new connections is not measured.
        await asyncio.gather(*(client.get("/livez") for _ in range(2 * CALLERS)))
        body = {"query": SUBMIT, "variables": {"input": {"count": 10}}}
        requests = [client.post("/graphql", json=body) for _ in range(CALLERS)]
        requests += [client.post("/generate?n=10") for _ in range(CALLERS)]
        with Stopwatch(process) as watch:
            responding = asyncio.gather(*requests)
            probes = await probe(client, process, responding)
            responses = await responding
    received_at = probes[:EARLY_PROBES][-1].answered_at
    late = [each for each in probes if each.sent_at > received_at + MAX_WAIT_SECONDS]
    # Without the slowest if there are only a few: one does not show that the others would wait too.
    p95 = sorted(each.watch.seconds for each in probes)[min(len(probes) * 95 // 100, len(probes) - 2)]
    idle = max(each.watch.idle_seconds for each in probes)
    report(f"responses within {watch}; {len(probes)} probes, {len(late)} late, p95 {p95:.3f} s, idle {idle:.3f} s")
    for response in responses[:CALLERS]:
        assert response.json()["data"]["generatePrimes"]["__typename"] == "BackendUnavailable"
    for response in responses[CALLERS:]:
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert len(late) <= MAX_LATE_PROBES
    assert p95 <= MAX_PROBE_SECONDS
    assert idle <= MAX_PROBE_SECONDS


async def probe(
    client: httpx.AsyncClient, process: int, responding: asyncio.Future[list[httpx.Response]]
) -> list[Probe]:
    """Probe until all have responded, and at least once."""
    probes: list[Probe] = []
    while not probes or not responding.done():
        sent_at = time.monotonic()
        with Stopwatch(process) as watch:
            assert (await client.get("/livez")).is_success
        probes.append(Probe(sent_at, time.monotonic(), watch))
        await asyncio.wait([responding], timeout=0.02)
    return probes
