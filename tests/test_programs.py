"""A program that does not end in time explains itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from tests import programs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

ENDLESS = """
import os, signal, threading

def wait_in_child():
    threading.Event().wait()

def wait_in_parent():
    print("ready", flush=True)
    threading.Event().wait()

signal.signal(signal.SIGTERM, signal.SIG_IGN)
(wait_in_parent if os.fork() else wait_in_child)()
"""


def test_failure_shows_the_stacks_of_all_processes_of_a_program_that_does_not_stop(tmp_path: Path) -> None:
    with programs.running([sys.executable, "-c", ENDLESS], tmp_path, lambda: True) as program:
        wait_until(lambda: "ready" in program.output(), 10)
        with pytest.raises(AssertionError) as failure:
            program.stop(0.1)
    assert str(failure.value).startswith("still ran after 0.1 s")
    assert "in wait_in_child" in str(failure.value)
    assert "in wait_in_parent" in str(failure.value)
    assert program.process.returncode is not None
