"""A worker that has silently stopped is noticed, and one that merely has nothing to do, or much, is not."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tasks.worker.watchdog import StallDetector
from tests.programs import ROOT


def test_who_takes_nothing_while_messages_wait_is_noticed_at_the_third_look() -> None:
    """The first one learns how much was taken before."""
    standstill = StallDetector()
    looks = [standstill.detect(queued=3, consumed=7, running=0) for _ in range(6)]
    assert looks == [False, False, True, False, True, False]


@pytest.mark.parametrize(
    ("waiting", "step", "working"),
    [(0, 0, 0), (1_000, 1, 0), (1_000, 0, 1)],
    ids=["nothing waits", "messages are taken", "all processes are at work"],
)
def test_a_worker_that_goes_on_is_not_noticed(waiting: int, step: int, working: int) -> None:
    standstill = StallDetector()
    assert not any(standstill.detect(waiting, look * step, working) for look in range(20))


LOOP = """
import threading, time
from tasks.worker.watchdog import EventLoopWatchdog
EventLoopWatchdog.CHECK_INTERVAL_SECONDS = 0.1
watch = EventLoopWatchdog(timeout_seconds=1)
watch.start()
for _ in range(10):
    watch.tick()
    time.sleep(0.2)
{then}
time.sleep(5)
"""


@pytest.mark.parametrize(
    ("then", "ends"), [("pass", -signal.SIGKILL), ("watch.stop()", 0)], ids=["it hangs", "it has ended"]
)
def test_a_process_whose_loop_hangs_is_killed_and_no_other(then: str, ends: int) -> None:
    command = [sys.executable, "-c", LOOP.format(then=then)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert done.returncode == ends, done.stderr.decode()
