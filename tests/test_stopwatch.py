"""tests.stopwatch: a busy machine adds nothing to what it measures."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.stopwatch import Stopwatch, own_threads
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs Linux's accounting of threads")

WORK_SECONDS = 0.1
BUSY = "while True: pass"


def work() -> None:
    """Use the processor of this thread for a fixed time."""
    until = time.thread_time() + WORK_SECONDS
    while time.thread_time() < until:
        pass


@pytest.fixture
def one_core() -> Iterator[subprocess.Popen[bytes]]:
    """This process and a busy one share one processor."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    with subprocess.Popen([sys.executable, "-I", "-c", BUSY]) as busy:
        try:
            yield busy
        finally:
            busy.kill()
            os.sched_setaffinity(0, cores)


def test_waiting_for_a_processor_is_not_counted(one_core: subprocess.Popen[bytes]) -> None:
    wait_until(lambda: psutil.Process(one_core.pid).cpu_times().user > WORK_SECONDS)
    with Stopwatch() as watch:
        work()
    assert watch.delayed > WORK_SECONDS / 4
    assert watch.elapsed > watch.seconds >= WORK_SECONDS * 0.9
    assert watch.idle_seconds < watch.seconds / 2


def test_waiting_for_time_is_counted() -> None:
    with Stopwatch() as watch:
        time.sleep(WORK_SECONDS)
    assert watch.elapsed >= WORK_SECONDS
    assert watch.idle_seconds > WORK_SECONDS / 2


def test_all_named_threads_are_watched() -> None:
    may_start, has_worked, may_end = threading.Event(), threading.Event(), threading.Event()

    def work_and_wait() -> None:
        may_start.wait()
        work()
        has_worked.set()
        may_end.wait()

    worker = threading.Thread(target=work_and_wait)
    worker.start()
    both = Stopwatch(*own_threads())
    alone = Stopwatch()
    may_start.set()
    has_worked.wait()
    alone.stop()
    both.stop()
    may_end.set()
    worker.join()
    assert both.computing - alone.computing >= WORK_SECONDS * 0.9
