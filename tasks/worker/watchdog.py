"""Detects a worker that runs but does no work although messages are queued.

Two causes are known. A consumer can lose its subscription to the broker's queues, usually on a reconnection, and then
waits for messages that never come: StallDetector. And the event loop of the worker's main process can hang:
EventLoopWatchdog.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from celery.utils.log import get_logger

log = get_logger(__name__)


class StallDetector:
    """Detects, by regular checks, a worker that takes no message and runs no task although messages are queued."""

    # Consecutive checks that must find a stall: a message sent just before a check is taken long before the next.
    CHECKS = 2

    def __init__(self) -> None:
        self._consumed = -1
        self._stalled_checks = 0

    def detect(self, queued: int, consumed: int, running: int) -> bool:
        """Check once more. True: the worker is stalled; the count of checks starts again.

        Args:
            queued: messages in the queues.
            consumed: messages that the worker has taken since its start.
            running: taken messages whose tasks have not finished.
        """
        is_stalled = queued > 0 and running == 0 and consumed == self._consumed
        self._consumed = consumed
        self._stalled_checks = self._stalled_checks + 1 if is_stalled else 0
        if self._stalled_checks < self.CHECKS:
            return False
        self._stalled_checks = 0
        return True


class EventLoopWatchdog:
    """Kills the process from a background thread when its event loop hangs. The supervisor restarts it."""

    CHECK_INTERVAL_SECONDS = 5.0

    def __init__(self, timeout_seconds: float = 60) -> None:
        self._timeout_seconds = timeout_seconds
        self._last_tick = time.monotonic()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Start watching. From now on the loop must call `tick` regularly."""
        self.tick()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, args=(self._stopped,), name="event loop watchdog", daemon=True).start()

    def stop(self) -> None:
        """Stop watching: the loop ends, or waits for its broker."""
        self._stopped.set()

    def tick(self) -> None:
        """Report that the loop runs."""
        self._last_tick = time.monotonic()

    def _watch(self, stopped: threading.Event) -> None:
        late_checks = 0
        while not stopped.wait(self.CHECK_INTERVAL_SECONDS):
            is_late = time.monotonic() - self._last_tick > self._timeout_seconds
            late_checks = late_checks + 1 if is_late else 0
            # Two checks: after a suspend of the machine, this thread may run before the loop does.
            if late_checks == 2:  # noqa: PLR2004 - two, as the comment says
                kill_process(f"Event loop blocked for more than {self._timeout_seconds:g} s")


def kill_process(reason: str) -> None:
    """Kill this process with SIGKILL: code that hangs may never reach an ordinary exit."""
    log.critical("%s. Killing process %d, to be restarted.", reason, os.getpid())
    os.kill(os.getpid(), signal.SIGKILL)
