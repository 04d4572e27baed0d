"""What others notice of an attack: the p95 of their requests beside it, as a ratio to the p95 without it, in turns.

`python -m tests.bench.attacks`; exits with 1 where a ratio is above 2.
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
from tests.e2e.attacks.target_process import JSON, TargetProcess, attacked
from tests.e2e.attacks.test_hostile_requests import BODIES, OPERATIONS
from tests.e2e.attacks.test_slow_connections import BODY, HEAD

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.synchronize import Event

MOST = 2.0
TURNS = 5
REQUESTS = 100
# Of one attacker, who waits for each answer: as many as a person's script sends without a pause to speak of.
PAUSE_SECONDS = 0.05

_FORK = multiprocessing.get_context("fork")


def p95(target: TargetProcess) -> float:
    """Of somebody who asks for little, in seconds."""
    took = []
    for _ in range(REQUESTS):
        begun = time.perf_counter()
        assert target.answers()
        took.append(time.perf_counter() - begun)
    return quantiles(took, n=20)[-1]


def sending(url: str, over: Event) -> None:
    """All that is refused, one after the other, over and over."""
    with httpx.Client(base_url=url, timeout=20) as client:
        while not over.is_set():
            for query, variables in OPERATIONS.values():
                client.post("/graphql", json={"query": query, "variables": variables})
                over.wait(PAUSE_SECONDS)
            for body, headers in BODIES.values():
                with suppress(httpx.TransportError):
                    client.post("/graphql", content=body, headers={"Content-Type": JSON, **headers})
                over.wait(PAUSE_SECONDS)


def holding(target: TargetProcess, over: Event) -> None:
    """Half-open sockets, and a drop for each now and then."""
    sockets: list[socket.socket] = []
    for number in range(2_000):
        sockets.append(target.connect())
        sockets[-1].sendall(("", HEAD + "X-Slow: ", BODY)[number % 3].encode())
    while not over.wait(1):
        for one in sockets[-500:]:
            with suppress(OSError):
                one.send(b"x")
    for one in sockets:
        one.close()


def ratio(target: TargetProcess, attack: Callable[[Event], None]) -> float:
    """How many times as long others wait; the median of some turns."""
    found = []
    for _ in range(TURNS):
        without = p95(target)
        # In a process of its own: what it does there must not slow the one that measures.
        over = _FORK.Event()
        attacker = _FORK.Process(target=attack, args=(over,))
        attacker.start()
        found.append(p95(target) / without)
        over.set()
        attacker.join()
    return median(found)


def main() -> int:
    """Measure both kinds."""
    with (
        tempfile.TemporaryDirectory() as folder,
        programs.valkey(Path(folder) / "valkey") as valkey,
        attacked(Path(folder), valkey, "bench:") as target,
    ):
        sent = ratio(target, lambda over: sending(target.url, over))
        held = ratio(target, lambda over: holding(target, over))
    print(f"p95 of others, times that without: {sent:.2f} beside refused requests, {held:.2f} beside half-open sockets")
    return int(max(sent, held) > MOST)


if __name__ == "__main__":
    sys.exit(main())
