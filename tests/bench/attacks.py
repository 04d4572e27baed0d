"""How much attacks slow other clients down: the p95 of their requests during an attack, divided by that without one.

`python -m tests.bench.attacks` exits with 1 if a ratio is above 2.
"""

from __future__ import annotations

import multiprocessing
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING

import httpx

from tests import programs
from tests.e2e.attacks.target_process import JSON, TargetProcess, start_target
from tests.e2e.attacks.test_hostile_requests import BODIES, OPERATIONS
from tests.e2e.attacks.test_slow_connections import BODY, HEAD

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.synchronize import Event

MAX_RATIO = 2.0
TURNS = 5
REQUESTS = 100
# Between the requests of the attacker, which waits for each response.
PAUSE_SECONDS = 0.05

_FORK = multiprocessing.get_context("fork")


def p95(target: TargetProcess) -> float:
    """The 95th percentile of the latency of small requests, in seconds."""
    latencies = []
    for _ in range(REQUESTS):
        started_at = time.perf_counter()
        assert target.responds()
        latencies.append(time.perf_counter() - started_at)
    return quantiles(latencies, n=20)[-1]


def send_hostile_requests(url: str, is_over: Event) -> None:
    """Send all hostile requests repeatedly, one after the other."""
    with httpx.Client(base_url=url, timeout=20) as client:
        while not is_over.is_set():
            for query, variables in OPERATIONS.values():
                client.post("/graphql", json={"query": query, "variables": variables})
                is_over.wait(PAUSE_SECONDS)
            for body, headers in BODIES.values():
                with suppress(httpx.TransportError):
                    client.post("/graphql", content=body, headers={"Content-Type": JSON, **headers})
                is_over.wait(PAUSE_SECONDS)


def hold_incomplete_requests(target: TargetProcess, is_over: Event) -> None:
    """Open 2,000 incomplete requests, and send one byte to 500 of them every second."""
    sockets: list[socket.socket] = []
    for number in range(2_000):
        sockets.append(target.connect())
        sockets[-1].sendall(("", HEAD + "X-Slow: ", BODY)[number % 3].encode())
    while not is_over.wait(1):
        for one in sockets[-500:]:
            with suppress(OSError):
                one.send(b"x")
    for one in sockets:
        one.close()


def ratio(target: TargetProcess, attack: Callable[[Event], None]) -> float:
    """The ratio of the p95 during an attack to the p95 without, the median of some turns."""
    ratios = []
    for _ in range(TURNS):
        baseline = p95(target)
        # In a separate process, so that its work does not slow the measurement.
        is_over = _FORK.Event()
        attacker = _FORK.Process(target=attack, args=(is_over,))
        attacker.start()
        ratios.append(p95(target) / baseline)
        is_over.set()
        attacker.join()
    return median(ratios)


def main() -> int:
    """Measure both attacks."""
    with (
        tempfile.TemporaryDirectory() as folder,
        programs.valkey(Path(folder) / "valkey") as valkey,
        start_target(Path(folder), valkey, "bench:") as target,
    ):
        sent = ratio(target, lambda is_over: send_hostile_requests(target.url, is_over))
        held = ratio(target, lambda is_over: hold_incomplete_requests(target, is_over))
    print(f"p95 ratio with and without attack: {sent:.2f} for refused requests, {held:.2f} for incomplete requests")
    return int(max(sent, held) > MAX_RATIO)


if __name__ == "__main__":
    sys.exit(main())
