"""Throughput and latency of submissions with `appendfsync everysec` and `always`.

    python -m tests.bench.appendfsync [folder]

The folder should be on the disk that the store would use. Prints submissions per second and their 95th percentile
through the API, the median of some rounds each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.e2e.faults.harness.system import Harness

POLICIES = ("everysec", "always")
ROUNDS = 3
SUBMISSIONS = 2_000
CONNECTIONS = (1, 16)


async def main(folder: Path) -> None:
    """Measure the policies alternately, so that other load on the machine affects both."""
    measurements: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(ROUNDS):
        for policy in POLICIES:
            with Harness(folder / f"{policy}-{number}", appendfsync=policy) as harness:
                port = int(harness.add_api(QUEUE_CAPACITY=str(10**6)).rpartition(":")[2])
                for connections in CONNECTIONS:
                    measurements.setdefault((policy, connections), []).append(await measure(port, connections))
    for connections in CONNECTIONS:
        rates, latencies = {}, {}
        for policy in POLICIES:
            rates[policy] = median(rate for rate, _ in measurements[policy, connections])
            latencies[policy] = median(p95 for _, p95 in measurements[policy, connections])
            figures = f"{rates[policy]:.0f} submissions/s, p95 {latencies[policy] * 1000:.1f} ms"
            print(f"{connections:2} connections, {policy}: {figures}")
        print(f"   always: {rates['always'] / rates['everysec']:.2f} times the rate of everysec")


async def measure(port: int, connections: int) -> tuple[float, float]:
    """Submissions per second, and the 95th percentile of their latency in seconds."""
    started_at = time.monotonic()
    per_connection = await asyncio.gather(*(submit(port, SUBMISSIONS // connections) for _ in range(connections)))
    latencies = sorted(seconds for one in per_connection for seconds in one)
    return len(latencies) / (time.monotonic() - started_at), latencies[len(latencies) * 95 // 100]


async def submit(port: int, times: int) -> list[float]:
    """Submit on one connection. Returns the latencies in seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    for _ in range(times):
        started_at = time.monotonic()
        writer.write(b"POST /generate?n=10 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        seconds.append(time.monotonic() - started_at)
    writer.close()
    return seconds


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            asyncio.run(main(Path(temporary)))
