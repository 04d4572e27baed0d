"""Celery, whose worker no longer hears its broker once it is told so (SIGUSR2), without any error.

With FOR_EVER in the environment it does not notice either.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from celery.__main__ import main

from tasks.worker.heartbeat import HeartbeatStep
from tasks.worker.watchdog import StallDetector

if TYPE_CHECKING:
    from celery.worker.consumer import Consumer

_start = HeartbeatStep.start


def _start_hearing(self: HeartbeatStep, consumer: Consumer) -> None:
    _start(self, consumer)
    # That of the present connection: the next one hears again.
    tasks = consumer.task_consumer  # type: ignore[attr-defined] # not in the stubs
    signal.signal(signal.SIGUSR2, lambda *_: consumer.timer.call_after(0, tasks.cancel))


def _detect_nothing(self: StallDetector, queued: int, consumed: int, running: int) -> bool:
    del self, queued, consumed, running
    return False


if __name__ == "__main__":
    HeartbeatStep.start = _start_hearing  # type: ignore[method-assign]
    if "FOR_EVER" in os.environ:
        StallDetector.detect = _detect_nothing  # type: ignore[method-assign]
    main()
