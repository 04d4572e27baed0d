"""Termination of a process of the pool: it hands its segment back first, so that no attempt is lost.

The main process terminates the others with one signal. The same signal may come from outside, to the whole process
group and several times. A call to the store is not interrupted, because its effect would be unknown. Computing and
storing a segment are.
"""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from billiard import pool
from billiard.common import TERM_SIGNAL
from celery import signals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Handled by the main process alone. On SIGUSR1 it logs its stack; in a process of the pool Celery would fail the task.
_IGNORED: Final = {signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1} - {TERM_SIGNAL}

# Seconds after which a call to the store is interrupted too: the store does not answer.
_UNANSWERED_SECONDS: Final = 3.0

# Seconds from the end of a task to the end of its process, in which the main process learns that the task has ended.
_REPORT_SECONDS: Final = 0.1

# Tenths of a second that a process waits at its end until the main process has read its last message. Billiard's 30 s
# would pass in vain: in a shutdown the main process may read no more, although a task that it had sent, and that was
# not confirmed when the signal arrived, still runs. Nothing depends on the message, since the store has the result.
_UNREAD_LIMIT: Final = 5


class Interrupted(BaseException):
    """Raised in a task whose process is terminated: hand the segment back and return."""


class _Process:
    """The state of this process. Signal handlers run in the main thread, as tasks do, and change it."""

    def __init__(self) -> None:
        self.is_of_pool = False
        self.is_prepared = False
        self.is_terminated = False
        self.is_busy = False
        self.is_interruptible = False

    def prepare(self) -> None:
        """Replace the handlers that the pool sets when the process has started."""
        if self.is_of_pool and not self.is_prepared:
            self.is_prepared = True
            for number in _IGNORED:
                signal.signal(number, signal.SIG_IGN)
            for number in (TERM_SIGNAL, signal.SIGALRM):
                signal.signal(number, self._terminate)

    def interrupt(self) -> None:
        """Raise Interrupted, once: a second time would interrupt the release of the segment."""
        self.is_interruptible = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        raise Interrupted

    def _terminate(self, number: int, _: FrameType | None) -> None:
        if not self.is_busy:
            # What is left is the final flush of telemetry.
            for handled in (TERM_SIGNAL, signal.SIGALRM):
                signal.signal(handled, signal.SIG_IGN)
            raise SystemExit
        is_first, self.is_terminated = not self.is_terminated, True
        if self.is_interruptible or number == signal.SIGALRM:
            self.interrupt()
        if is_first:
            signal.setitimer(signal.ITIMER_REAL, _UNANSWERED_SECONDS)


_process = _Process()


def connect() -> None:
    """Let processes of a forking pool end in this way. Other pools run tasks in the main process."""
    signals.worker_process_init.connect(_mark_process, weak=False)


def _mark_process(**_: object) -> None:
    _process.is_of_pool = True
    pool.GUARANTEE_MESSAGE_CONSUMPTION_RETRY_LIMIT = _UNREAD_LIMIT


def is_terminated() -> bool:
    """Whether this process ends after the current task."""
    return _process.is_terminated


@contextmanager
def postponed() -> Iterator[None]:
    """The block runs a task: its process is not terminated before its end."""
    _process.prepare()
    _process.is_busy = True
    try:
        yield
    finally:
        _process.is_busy = False
        if _process.is_terminated:
            signal.setitimer(signal.ITIMER_REAL, _REPORT_SECONDS)


@contextmanager
def interruptible() -> Iterator[None]:
    """The block raises Interrupted as soon as its process is terminated."""
    _process.is_interruptible = _process.is_prepared
    if _process.is_terminated:
        _process.interrupt()
    try:
        yield
    finally:
        _process.is_interruptible = False
