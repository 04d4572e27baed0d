"""The API under attack: what it works and holds meanwhile, and whether it still answers.

The work is the process's own CPU clock, so other programs on the machine don't count; memory is what it has resident.
"""

from __future__ import annotations

import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import psutil

from tests import programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Valkey

MOST_SECONDS = 0.1
MOST_BYTES = 20 * 2**20

JSON = "application/json"
STREAM = "text/event-stream"


class TargetProcess:
    """The API under attack."""

    def __init__(self, url: str, process_id: int) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=20)
        # The kernel's number of a process's CPU clock.
        self._clock = (~process_id << 3) | 2
        self._process = psutil.Process(process_id)

    def worked(self) -> float:
        return time.clock_gettime(self._clock)

    def resident(self) -> int:
        return int(self._process.memory_info().rss)

    def connections(self) -> int:
        """Sockets that it has open to clients."""
        port = urlsplit(self.url).port
        return sum(one.laddr.port == port and one.status == "ESTABLISHED" for one in self._process.net_connections())

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), 10)

    def answers(self) -> bool:
        answer = self.client.post("/graphql", json={"query": "{ limits { maxCount } }"})
        return answer.status_code == 200 and answer.json()["data"]["limits"]["maxCount"] > 0

    def send(self, query: str, variables: Any = None, accept: str = JSON) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return self.client.post("/graphql", json=body, headers={"Accept": accept})


@contextmanager
def attacked(folder: Path, valkey: Valkey, prefix: str, **environment: Any) -> Iterator[TargetProcess]:
    """An API of its own, warm; it must not have had a fault when the block ends."""
    with programs.api(folder, valkey.url, prefix, **environment) as (url, program):
        found = TargetProcess(url, program.process.pid)
        # What is loaded at the first request of each kind is not the attack's.
        for accept in (JSON, STREAM):
            for query in ("{ limits { maxCount } }", "{ nothing }", "{", "{ a: jobs(first: 1000) { totalCount } }"):
                found.send(query, {"a": [1]}, accept)
        yield found
        found.client.close()
        assert "Traceback" not in program.output()
