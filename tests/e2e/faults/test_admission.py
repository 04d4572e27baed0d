"""The queue accepts exactly its capacity under concurrent submissions, and a queued job takes little memory."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

import httpx

from tests.e2e.faults.harness.expected_jobs import report
from tests.e2e.faults.harness.invariants import JOB_BYTES
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import execute

if TYPE_CHECKING:
    from pathlib import Path

CAPACITY = 10_000
EXCESS = 200
CONNECTIONS = 20

FULL = """mutation { generatePrimes(input: {count: 10}) { __typename ... on QueueFull {
    code retryable retryAfterMs queue { queued running capacity }
} } }"""


async def test_queue_accepts_exactly_its_capacity_and_a_queued_job_takes_little_memory(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api(QUEUE_CAPACITY=str(CAPACITY))
        port = int(url.rpartition(":")[2])
        before = harness.memory_bytes()
        per_connection = (CAPACITY + EXCESS) // CONNECTIONS
        responses = await asyncio.gather(*(submit_many(port, number, per_connection) for number in range(CONNECTIONS)))
        bytes_per_job = (harness.memory_bytes() - before) / CAPACITY
        statuses = Counter(status for some in responses for status, _ in some)
        ids = {json.loads(body)["request_id"] for some in responses for status, body in some if status == 200}
        async with httpx.AsyncClient(base_url=url) as client:
            full = (await execute(client, FULL))["generatePrimes"]
            listed = (await execute(client, "{ jobs { totalCount } }"))["jobs"]["totalCount"]
    report(f"{statuses}, {bytes_per_job:.0f} bytes of the store per queued job")
    assert statuses == {200: CAPACITY, 503: EXCESS}
    assert len(ids) == listed == CAPACITY
    assert bytes_per_job <= JOB_BYTES
    assert full["__typename"] == "QueueFull"
    assert (full["code"], full["retryable"], full["retryAfterMs"] > 0) == ("QUEUE_FULL", True, True)
    assert full["queue"] == {"queued": CAPACITY, "running": 0, "capacity": CAPACITY}


async def submit_many(port: int, connection: int, times: int) -> list[tuple[int, bytes]]:
    """Status and body of each response on one connection. A client library would be slower than the API."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    responses = []
    for number in range(times):
        key = f"capacity-{connection}-{number}"
        head = f"POST /generate?n=10 HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        [length] = [int(header.partition(":")[2]) for header in headers if header.startswith("content-length:")]
        responses.append((int(status.split()[1]), await reader.readexactly(length)))
    writer.close()
    return responses
