"""Whether a worker has silently stopped: it runs and does nothing, though there is something to do.

Two ways to stop are known. A consumer may lose its place in the broker's queue, over a reconnection mostly, and wait
for messages that it will never be given. And the loop that all of the worker's first process runs on may hang.
"""

from __future__ import annotations

import os
import signal
import threading
import time

from celery.utils.log import get_logger

log = get_logger(__name__)


class StallDetector:
    """Judges by looks at the worker, some seconds apart: messages wait, it has taken none, and is at none."""

    # A message that came just before one look is taken long before the next.
    LOOKS = 2

    def __init__(self) -> None:
        self._taken = -1
        self._looks = 0

    def is_noticed(self, waiting: int, taken: int, working: int) -> bool:
        """Look once more.

        Args:
            waiting: messages in the queues.
            taken: how many the worker has taken since it began.
            working: how many of them it is at.
        """
        stands = waiting > 0 and working == 0 and taken == self._taken
        self._taken = taken
        self._looks = self._looks + 1 if stands else 0
        if self._looks < self.LOOKS:
            return False
        self._looks = 0
        return True


class EventLoopWatchdog:
    """Kills this process when its loop hangs, for whoever started it to start it again: a thread of its own."""

    EVERY_SECONDS = 5.0

    def __init__(self, hangs_after_seconds: float = 60) -> None:
        self._hangs_after = hangs_after_seconds
        self._ticked = time.monotonic()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begin to watch: from now on `tick` must be called again and again."""
        self.tick()
        self._stopped = threading.Event()
        threading.Thread(target=self._watch, args=(self._stopped,), name="loop watch", daemon=True).start()

    def stop(self) -> None:
        """The loop ends, or waits for its broker: it need not tick."""
        self._stopped.set()

    def tick(self) -> None:
        """The loop is alive."""
        self._ticked = time.monotonic()

    def _watch(self, stopped: threading.Event) -> None:
        looks = 0
        while not stopped.wait(self.EVERY_SECONDS):
            # Twice, because a machine that slept wakes all threads at once.
            looks = looks + 1 if time.monotonic() - self._ticked > self._hangs_after else 0
            if looks == 2:  # noqa: PLR2004 - twice
                kill_this_process(f"has not turned its loop for {self._hangs_after} s")


def kill_this_process(why: str) -> None:
    """End it with no last words but these, since nothing in it can be relied on to end it otherwise."""
    log.critical("process %d %s: killed, to be started again", os.getpid(), why)
    os.kill(os.getpid(), signal.SIGKILL)
