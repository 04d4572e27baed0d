"""A stalled or hanging worker is detected; an idle or busy one is not."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tasks.worker.watchdog import StallDetector
from tests.programs import ROOT


def test_stall_is_detected_at_the_third_check() -> None:
    """The first check records how many messages were consumed before."""
    detector = StallDetector()
    checks = [detector.detect(queued=3, consumed=7, running=0) for _ in range(6)]
    assert checks == [False, False, True, False, True, False]


@pytest.mark.parametrize(
    ("queued", "step", "running"),
    [(0, 0, 0), (1_000, 1, 0), (1_000, 0, 1)],
    ids=["nothing is queued", "messages are consumed", "all processes are busy"],
)
def test_idle_or_busy_worker_is_not_stalled(queued: int, step: int, running: int) -> None:
    detector = StallDetector()
    assert not any(detector.detect(queued, check * step, running) for check in range(20))


LOOP = """
import threading, time
from tasks.worker.watchdog import EventLoopWatchdog
EventLoopWatchdog.CHECK_INTERVAL_SECONDS = 0.1
watchdog = EventLoopWatchdog(timeout_seconds=1)
watchdog.start()
for _ in range(8):
    watchdog.tick()
    time.sleep(0.2)
{then}
"""


@pytest.mark.parametrize(
    ("then", "exit_code"),
    [("time.sleep(60)", -signal.SIGKILL), ("watchdog.stop(); time.sleep(2)", 0)],
    ids=["loop hangs", "loop has ended"],
)
def test_only_a_process_with_a_hanging_loop_is_killed(then: str, exit_code: int) -> None:
    command = [sys.executable, "-c", LOOP.format(then=then)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == exit_code, done.stderr.decode()
