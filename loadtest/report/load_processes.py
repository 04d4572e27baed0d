"""The processes that generate the load, as Locust's master sees them. A verdict needs the figures of all."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import psutil

# Seconds that processes have to exit after the end of a run. One that is frozen never would.
_EXIT_SECONDS = 5.0


class LoadProcesses:
    """What the master knows of each process from its connection and its reports."""

    def __init__(self, expected: int) -> None:
        self._expected = expected
        self._connected: set[str] = set()
        self._with_users: set[str] = set()
        self._with_requests: set[str] = set()
        # When each last reported that none of its users runs.
        self._idle_at: dict[str, float] = {}

    def on_connect(self, client_id: str, **_: object) -> None:
        """Locust's event of a new process."""
        self._connected.add(client_id)

    def on_report(self, client_id: str, data: dict[str, Any], **_: object) -> None:
        """Locust's event of a report, which each process sends every three seconds."""
        if data.get("user_count"):
            self._with_users.add(client_id)
            self._idle_at.pop(client_id, None)
        else:
            self._idle_at[client_id] = time.perf_counter()
        if data.get("stats"):
            self._with_requests.add(client_id)

    def all_reported(self, since: float) -> bool:
        """Whether every process has reported since its last user stopped."""
        return all(self._idle_at.get(client_id, 0) >= since for client_id in self._connected)

    def complete(self, since: float | None) -> int:
        """Number of processes whose figures are complete.

        Args:
            since: when the last user stopped; None: the run was interrupted.
        """
        return sum(
            (since is None or self._idle_at.get(client_id, 0) >= since)
            and (client_id in self._with_requests or client_id not in self._with_users)
            for client_id in self._connected
        )

    @property
    def expected(self) -> int:
        """Number of processes that the run needs: at least those that connected."""
        return max(self._expected, len(self._connected))


def kill_unresponsive_children() -> None:
    """Kill children of this process that do not exit in time. Locust would wait for them for ever."""
    deadline = time.monotonic() + _EXIT_SECONDS
    while remaining := [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]:
        if time.monotonic() > deadline:
            for child in remaining:
                os.kill(child.pid, signal.SIGKILL)
            return
        time.sleep(0.1)
