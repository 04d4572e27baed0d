"""Checks how the API behaves while the store is unavailable."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import httpx

from tests.e2e.faults.harness.expected_jobs import report
from tests.e2e.faults.harness.users import SUBMIT

# The guarantee to callers, and that of /livez for other requests.
MAX_RESPONSE_SECONDS = 2.5
MAX_PROBE_SECONDS = 0.1
# Clients and servers share the processors of one machine.
SHARED_MACHINE_SECONDS = 0.5
CALLERS = 10


async def expect_unavailable(url: str) -> None:
    """Every caller is refused within 2.5 s because the store is unavailable, and probes succeed meanwhile."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        # Connect first: a burst of new connections is not measured.
        await asyncio.gather(*(client.get("/livez") for _ in range(2 * CALLERS)))
        body = {"query": SUBMIT, "variables": {"input": {"count": 10}}}
        requests = [client.post("/graphql", json=body) for _ in range(CALLERS)]
        requests += [client.post("/generate?n=10") for _ in range(CALLERS)]
        is_over = threading.Event()
        probing = asyncio.create_task(asyncio.to_thread(probe, url, is_over))
        try:
            responses = await asyncio.gather(*(timed(request) for request in requests))
        finally:
            is_over.set()
            probes = sorted(await probing)
    slowest = max(seconds for _, seconds in responses)
    p95, maximum = probes[len(probes) * 95 // 100], probes[-1]
    report(f"responses within {slowest:.2f} s; {len(probes)} probes: p95 {p95:.3f} s, max {maximum:.3f} s")
    for response, _ in responses[:CALLERS]:
        assert response.json()["data"]["generatePrimes"]["__typename"] == "BackendUnavailable"
    for response, _ in responses[CALLERS:]:
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert slowest <= MAX_RESPONSE_SECONDS + SHARED_MACHINE_SECONDS
    assert p95 <= MAX_PROBE_SECONDS
    assert maximum <= MAX_PROBE_SECONDS + SHARED_MACHINE_SECONDS


def probe(url: str, is_over: threading.Event) -> list[float]:
    """Seconds of each probe, at least one. Runs in a thread, so that the work of the callers is not measured."""
    seconds: list[float] = []
    with httpx.Client(base_url=url, timeout=10) as client:
        while not seconds or not is_over.wait(0.02):
            started_at = time.monotonic()
            assert client.get("/livez").is_success
            seconds.append(time.monotonic() - started_at)
    return seconds


async def timed(request: Any) -> tuple[httpx.Response, float]:
    started_at = time.monotonic()
    response: httpx.Response = await request
    return response, time.monotonic() - started_at
