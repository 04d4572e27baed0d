"""The queue takes as many jobs as it is said to, whoever asks at the same time, and each costs the store little."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING

import httpx

from tests.e2e.faults.harness.expected_jobs import say
from tests.e2e.faults.harness.invariants import JOB_BYTES
from tests.e2e.faults.harness.system import Harness
from tests.e2e.faults.harness.users import ask

if TYPE_CHECKING:
    from pathlib import Path

CAPACITY = 10_000
TOO_MANY = 200
CONNECTIONS = 20

FULL = """mutation { generatePrimes(input: {count: 10}) { __typename ... on QueueFull {
    code retryable retryAfterMs queue { queued running capacity }
} } }"""


async def test_exactly_the_capacity_is_accepted_and_a_queued_job_costs_little(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        url = harness.add_api(QUEUE_CAPACITY=str(CAPACITY))
        port = int(url.rpartition(":")[2])
        before = harness.memory()
        each = (CAPACITY + TOO_MANY) // CONNECTIONS
        answers = await asyncio.gather(*(submit_many(port, number, each) for number in range(CONNECTIONS)))
        bytes_each = (harness.memory() - before) / CAPACITY
        statuses = Counter(status for some in answers for status, _ in some)
        ids = {json.loads(body)["request_id"] for some in answers for status, body in some if status == 200}
        async with httpx.AsyncClient(base_url=url) as client:
            full = (await ask(client, FULL))["generatePrimes"]
            listed = (await ask(client, "{ jobs { totalCount } }"))["jobs"]["totalCount"]
    say(f"{statuses}, {bytes_each:.0f} bytes of the store a queued job")
    assert statuses == {200: CAPACITY, 503: TOO_MANY}
    assert len(ids) == listed == CAPACITY
    assert bytes_each <= JOB_BYTES
    assert full["__typename"] == "QueueFull"
    assert (full["code"], full["retryable"], full["retryAfterMs"] > 0) == ("QUEUE_FULL", True, True)
    assert full["queue"] == {"queued": CAPACITY, "running": 0, "capacity": CAPACITY}


async def submit_many(port: int, connection: int, times: int) -> list[tuple[int, bytes]]:
    """Status and body of each answer on one connection. By hand: a client library would be what is measured."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for number in range(times):
        key = f"capacity-{connection}-{number}"
        head = f"POST /generate?n=10 HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        status, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower().split("\r\n")
        [length] = [int(line.partition(":")[2]) for line in headers if line.startswith("content-length:")]
        answers.append((int(status.split()[1]), await reader.readexactly(length)))
    writer.close()
    return answers
