"""Starts programs in order, watches them, and stops them in reverse order.

Process managers on the package index stop all programs at the same moment: Valkey would be gone while the worker still
finishes its task.
"""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING, Final, cast

from gql.local import guardian
from gql.local.child import Child
from gql.local.errors import LocalRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gql.local.console import Console
    from gql.local.programs import Program

_READY_POLL_SECONDS: Final = 0.05
# A signal that arrives when the main thread is about to wait is handled only when that wait ends.
_SIGNAL_POLL_SECONDS: Final = 0.5
# Between SIGKILLs to a group that is still there.
_KILL_POLL_SECONDS: Final = 0.5


class _StopRequested(Exception):
    """SIGINT, SIGTERM or SIGHUP was received."""


class Supervisor:
    """One run, from the first program's start to the last one's exit.

    Args:
        console: receives all output.
        inherited: file descriptors that all programs keep open.
    """

    def __init__(self, console: Console, inherited: tuple[int, ...] = ()) -> None:
        self._console = console
        self._inherited = inherited
        self._children: list[Child] = []
        self._running: set[Child] = set()
        # Signals received and children that exited. SimpleQueue.put may be called from a signal handler.
        self._events: queue.SimpleQueue[signal.Signals | Child] = queue.SimpleQueue()

    def run(self, programs: Sequence[Program], url: str) -> None:
        """Start the programs, print that they are ready, and return after SIGINT, SIGTERM or SIGHUP.

        Raises:
            LocalRunError: a program exited or was not ready in time. All programs have been stopped.
        """
        with self._handled_signals(), _guardian(self._inherited) as register:
            try:
                for program in programs:
                    self._console.own_line(f"starting {program.name}")
                    child = Child(program, self._console, self._inherited, self._events.put)
                    self._children.append(child)
                    self._running.add(child)
                    register(child)
                    self._wait_until_ready(program)
                self._console.ready(url)
                while True:
                    self._watch(_SIGNAL_POLL_SECONDS)
            except _StopRequested:
                pass
            finally:
                self._stop_all()

    def _wait_until_ready(self, program: Program) -> None:
        deadline = time.monotonic() + program.ready_seconds
        while (missing := program.missing()) is not None:
            if time.monotonic() > deadline:
                raise LocalRunError(f"not ready within {program.ready_seconds:g} s: {missing}. See the lines above")
            self._watch(_READY_POLL_SECONDS)
        self._watch(0)

    def _watch(self, seconds: float) -> None:
        """Wait for `seconds`. Raises when a signal arrives or a program exits."""
        event = self._next_event(seconds)
        if isinstance(event, Child):
            raise LocalRunError(event.exit_report())
        if event is not None:
            raise _StopRequested

    def _next_event(self, seconds: float) -> signal.Signals | Child | None:
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return None
        if isinstance(event, Child):
            self._running.discard(event)
        return event

    def _stop_all(self) -> None:
        """Stop the children, last started first. Further signals change nothing: the time is bounded."""
        if not self._children:
            return
        self._console.own_line(f"stopping {', '.join(child.program.name for child in reversed(self._children))}")
        deadline = time.monotonic()
        for child in reversed(self._children):
            # Time that one program does not need is available to the next.
            deadline += child.program.stop_seconds
            child.terminate()
            while child in self._running:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    self._console.own_line(f"{child.program.name} did not stop in time: killed")
                    child.kill()
                self._next_event(max(remaining, _KILL_POLL_SECONDS))
        self._console.own_line("stopped")

    @contextmanager
    def _handled_signals(self) -> Iterator[None]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            numbers.append(signal.SIGHUP)
        previous = {
            number: signal.signal(number, lambda received, _: self._events.put(signal.Signals(received)))
            for number in numbers
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


@contextmanager
def _guardian(inherited: tuple[int, ...]) -> Iterator[Callable[[Child], None]]:
    """Run the guardian. Gives the function that registers a child with it."""
    process = subprocess.Popen(  # noqa: S603 - a file of this package
        (sys.executable, "-I", "-S", guardian.__file__),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=inherited,
        text=True,
        bufsize=1,
    )
    lines = cast("IO[str]", process.stdin)

    def write(line: str) -> None:
        # The guardian may have been killed: harmless while this process lives.
        with suppress(OSError, ValueError):
            lines.write(f"{line}\n")

    try:
        yield lambda child: write(f"{child.pid} {child.program.stop_seconds}")
    finally:
        write("done")
        with suppress(OSError):
            lines.close()
        process.wait()
