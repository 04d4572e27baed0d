"""A terminated process of the pool interrupts computing and storing, no call to the store, and ends between tasks."""

from __future__ import annotations

import signal
import time
from signal import SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1
from typing import TYPE_CHECKING

import pytest

from tasks.worker import termination
from tasks.worker.termination import Interrupted, interruptible, is_terminated, postponed

if TYPE_CHECKING:
    from collections.abc import Iterator

HANDLED = (SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1)


@pytest.fixture(autouse=True)
def _process_of_a_pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process, until the end of the test."""
    process = termination._Process()  # noqa: SLF001 - its state is this process's
    process.is_of_pool = True
    monkeypatch.setattr(termination, "_process", process)
    before = {number: signal.getsignal(number) for number in HANDLED}
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("times", [1, 3])
def test_computing_is_interrupted_once_and_the_process_ends_after_the_task(times: int) -> None:
    with pytest.raises(SystemExit):  # noqa: PT012 - the exit follows the block
        with postponed():
            with pytest.raises(Interrupted), interruptible():
                signal.raise_signal(SIGTERM)
            # The release of the segment.
            for _ in range(times):
                signal.raise_signal(SIGTERM)
            assert is_terminated()
        wait_for_a_signal()


@pytest.mark.parametrize("times", [1, 3])
def test_call_to_the_store_is_not_interrupted(times: int) -> None:
    with postponed():
        for _ in range(times):
            signal.raise_signal(SIGTERM)
        assert is_terminated()
        # The claim was granted meanwhile.
        with pytest.raises(Interrupted), interruptible():
            pytest.fail("computed although the process is terminated")
    signal.setitimer(signal.ITIMER_REAL, 0)


def test_call_to_a_store_that_does_not_answer_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "_UNANSWERED_SECONDS", 0.01)
    with postponed():
        signal.raise_signal(SIGTERM)
        with pytest.raises(Interrupted):
            wait_for_a_signal()
    signal.setitimer(signal.ITIMER_REAL, 0)


def test_idle_process_ends_at_once_and_its_final_flush_is_not_interrupted() -> None:
    with postponed():
        pass
    with pytest.raises(SystemExit):
        signal.raise_signal(SIGTERM)
    signal.raise_signal(SIGTERM)


@pytest.mark.parametrize("number", [SIGINT, SIGQUIT, SIGHUP, SIGUSR1])
def test_other_signals_to_the_process_group_are_left_to_the_main_process(number: signal.Signals) -> None:
    with postponed(), interruptible():
        signal.raise_signal(number)
    assert not is_terminated()


def test_process_that_is_not_of_a_forking_pool_keeps_its_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(termination, "_process", termination._Process())  # noqa: SLF001 - as above
    before = [signal.getsignal(number) for number in HANDLED]
    with postponed(), interruptible():
        assert [signal.getsignal(number) for number in HANDLED] == before


def wait_for_a_signal() -> None:
    time.sleep(5)
    pytest.fail("no signal arrived")
