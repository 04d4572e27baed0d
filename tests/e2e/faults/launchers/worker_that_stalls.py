"""Runs Celery with a worker that silently stops consuming after SIGUSR2, as after some reconnections.

WITHOUT_STALL_DETECTION in the environment disables the stall detector.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

from celery.__main__ import main

from tasks.worker.heartbeat import HeartbeatStep
from tasks.worker.watchdog import StallDetector

if TYPE_CHECKING:
    from celery.worker.consumer import Consumer

_start = HeartbeatStep.start


def _start_and_listen_for_signal(self: HeartbeatStep, consumer: Consumer) -> None:
    _start(self, consumer)
    # Cancels the consumer of the current connection: the next connection consumes again.
    tasks = consumer.task_consumer  # type: ignore[attr-defined] # not in the stubs

    def stop_consuming() -> None:
        tasks.cancel()
        sys.stderr.write("Stopped consuming.\n")

    signal.signal(signal.SIGUSR2, lambda *_: consumer.timer.call_after(0, stop_consuming))


def _detect_nothing(self: StallDetector, queued: int, consumed: int, running: int) -> bool:
    del self, queued, consumed, running
    return False


if __name__ == "__main__":
    HeartbeatStep.start = _start_and_listen_for_signal  # type: ignore[method-assign]
    if "WITHOUT_STALL_DETECTION" in os.environ:
        StallDetector.detect = _detect_nothing  # type: ignore[method-assign]
    main()
