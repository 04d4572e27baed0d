"""What `appendfsync always` costs: `python -m tests.bench.appendfsync [folder]` submits through the API, turn about.

The folder should be on the disk that the store would use. Prints submissions a second and the 95th percentile of their
answers, of the middle one of some rounds each.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.e2e.faults.harness.expected_jobs import say
from tests.e2e.faults.harness.system import Harness

PROFILES = ("everysec", "always")
ROUNDS = 3
SUBMISSIONS = 2_000
CONNECTIONS = (1, 16)


async def main(folder: Path) -> None:
    """Each profile in turn, so that a busy moment of the machine meets both."""
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for number in range(ROUNDS):
        for profile in PROFILES:
            with Harness(folder / f"{profile}-{number}", appendfsync=profile) as harness:
                port = int(harness.add_api(QUEUE_CAPACITY=str(10**6)).rpartition(":")[2])
                for connections in CONNECTIONS:
                    found.setdefault((profile, connections), []).append(await measured(port, connections))
    for connections in CONNECTIONS:
        rates, slow = {}, {}
        for profile in PROFILES:
            rates[profile] = median(rate for rate, _ in found[profile, connections])
            slow[profile] = median(p95 for _, p95 in found[profile, connections])
            figures = f"{rates[profile]:.0f} submissions/s, p95 {slow[profile] * 1000:.1f} ms"
            say(f"{connections:2} connections, {profile}: {figures}")
        say(f"   always at {rates['always'] / rates['everysec']:.2f} of the rate of everysec")


async def measured(port: int, connections: int) -> tuple[float, float]:
    """Submissions a second, and the 95th percentile of their answers in seconds."""
    began = time.monotonic()
    each = await asyncio.gather(*(submit(port, SUBMISSIONS // connections) for _ in range(connections)))
    answers = sorted(seconds for some in each for seconds in some)
    return len(answers) / (time.monotonic() - began), answers[len(answers) * 95 // 100]


async def submit(port: int, times: int) -> list[float]:
    """How long each of many submissions on one connection took."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    seconds = []
    for _ in range(times):
        began = time.monotonic()
        writer.write(b"POST /generate?n=10 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r\n")[0]))
        seconds.append(time.monotonic() - began)
    writer.close()
    return seconds


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            asyncio.run(main(Path(temporary)))
