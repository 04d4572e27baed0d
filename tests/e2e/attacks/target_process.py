"""An API process under attack: its CPU time, memory, connections, and whether it still responds.

CPU time is the clock of the process, so that other programs on the machine do not count. Memory is resident memory.
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

MAX_CPU_SECONDS = 0.1
MAX_GROWTH_BYTES = 20 * 2**20

JSON = "application/json"
STREAM = "text/event-stream"


class TargetProcess:
    """One API process and a client of it."""

    def __init__(self, url: str, process_id: int) -> None:
        self.url = url
        self.client = httpx.Client(base_url=url, timeout=20)
        # Linux's id of the CPU clock of a process.
        self._clock = (~process_id << 3) | 2
        self._process = psutil.Process(process_id)

    def cpu_seconds(self) -> float:
        return time.clock_gettime(self._clock)

    def resident_bytes(self) -> int:
        return int(self._process.memory_info().rss)

    def connections(self) -> int:
        """Number of its open client connections."""
        port = urlsplit(self.url).port
        return sum(one.laddr.port == port and one.status == "ESTABLISHED" for one in self._process.net_connections())

    def connect(self) -> socket.socket:
        parts = urlsplit(self.url)
        return socket.create_connection((parts.hostname or "", parts.port or 0), 10)

    def responds(self) -> bool:
        response = self.client.post("/graphql", json={"query": "{ limits { maxCount } }"})
        return response.status_code == 200 and response.json()["data"]["limits"]["maxCount"] > 0

    def send(self, query: str, variables: Any = None, accept: str = JSON) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return self.client.post("/graphql", json=body, headers={"Accept": accept})


@contextmanager
def start_target(folder: Path, valkey: Valkey, prefix: str, **environment: Any) -> Iterator[TargetProcess]:
    """A warmed-up API. At the end of the block, its log must contain no traceback."""
    with programs.api(folder, valkey.url, prefix, **environment) as (url, program):
        target = TargetProcess(url, program.process.pid)
        # The first request of each kind loads modules and fills caches.
        for accept in (JSON, STREAM):
            for query in ("{ limits { maxCount } }", "{ nothing }", "{", "{ a: jobs(first: 1000) { totalCount } }"):
                target.send(query, {"a": [1]}, accept)
        yield target
        target.client.close()
        assert "Traceback" not in program.output()
