"""Starts programs in order, watches them, and ends them in the opposite order.

Ours, in some 150 lines, because the process managers on the package index end all their programs at the same moment:
Valkey would be gone while the worker still finishes its task. What runs, and when it counts as answering, is told by
children; how one program is started and ended is child's work.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from gql.local import guardian
from gql.local.child import Child
from gql.local.errors import CannotRun

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence

    from gql.local.child import ChildSpec
    from gql.local.console import Console

# A second SIGINT sooner than this is the first one, come twice: from the terminal, and passed on by a parent.
_SAME_INTERRUPT_SECONDS: Final = 0.5
_GUARDIAN_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Programs to start together; the next stage begins when `answer` returns.

    `answer` raises CannotRun when it has waited long enough.
    """

    children: tuple[ChildSpec, ...]
    answer: Callable[[], Awaitable[None]]


class Supervisor:
    """One run, from the first program's start to the last one's end.

    Args:
        console: where all output goes.
        inherited: file descriptors that all children keep open.
    """

    def __init__(self, console: Console, inherited: tuple[int, ...] = ()) -> None:
        self._console = console
        self._inherited = inherited
        self._children: list[Child] = []
        self._interrupted_at: float | None = None
        self._hurried = False

    async def run(self, stages: Sequence[Stage], url: str) -> None:
        """Start all stages, say that they are ready, and return when told to stop by SIGINT, SIGTERM or SIGHUP.

        Raises:
            CannotRun: a program ended by itself, or did not answer, or had to be killed because of a second Ctrl-C.
                Whatever happens, nothing is left running.
        """
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._obeying_signals(), Guardian(self._inherited) as self._guardian:
            try:
                await self._unless_over(self._start(stages))
                if not self._over.done():
                    self._console.ready(url)
                    await self._over
            finally:
                self._close()
                await self._end_all()
        if self._hurried:
            raise CannotRun("killed by a second Ctrl-C: what was running is taken up again by the next run")

    async def _start(self, stages: Sequence[Stage]) -> None:
        for stage in stages:
            for spec in stage.children:
                await self._start_child(spec)
            await stage.answer()

    async def _start_child(self, spec: ChildSpec) -> None:
        self._console.say(f"starting {spec.name}")
        child = await Child.start(spec, self._console, self._inherited)
        self._children.append(child)
        self._guardian.watch(child)
        child.ended.add_done_callback(lambda _: self._on_child_end(child))

    def _on_child_end(self, child: Child) -> None:
        self._guardian.forget(child)
        if not self._over.done():
            self._over.set_exception(CannotRun(child.last_words()))

    async def _unless_over(self, work: Coroutine[None, None, None]) -> None:
        """Do the work, but no longer than until a child ends or a signal comes.

        Raises:
            CannotRun: the work failed, or a child ended.
        """
        task = asyncio.create_task(work)
        await asyncio.wait({task, self._over}, return_when=asyncio.FIRST_COMPLETED)
        if self._over.done():
            task.cancel()
            with suppress(asyncio.CancelledError, CannotRun):
                await task
            self._over.result()
        else:
            task.result()

    def _close(self) -> None:
        """From here on, that a child ends is no news."""
        if not self._over.done():
            self._over.set_result(None)

    async def _end_all(self) -> None:
        if self._children:
            names = ", ".join(child.spec.name for child in reversed(self._children))
            self._console.say(f"stopping {names}")
        deadline = time.monotonic()
        for child in reversed(self._children):
            # What one does not use of its time is the next one's.
            deadline += child.spec.stop_seconds
            await child.end(deadline - time.monotonic())
        if self._children:
            self._console.say("stopped")

    @contextmanager
    def _obeying_signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        obeyed = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            obeyed.append(signal.SIGHUP)
        for number in obeyed:
            loop.add_signal_handler(number, self._on_signal, number)
        try:
            yield
        finally:
            for number in obeyed:
                loop.remove_signal_handler(number)

    def _on_signal(self, number: signal.Signals) -> None:
        now = time.monotonic()
        self._close()
        if self._interrupted_at is None:
            self._interrupted_at = now
        elif number == signal.SIGINT and now - self._interrupted_at > _SAME_INTERRUPT_SECONDS:
            self._hurried = True
            for child in self._children:
                child.kill()


class Guardian:
    """The process that outlives this one, to end its children should it be killed."""

    def __init__(self, inherited: tuple[int, ...] = ()) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - a file of ours
            (sys.executable, "-I", "-S", str(Path(guardian.__file__))),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=inherited,
            text=True,
            bufsize=1,
        )

    def __enter__(self) -> Self:
        """It was started with the object."""
        return self

    def __exit__(self, *_: object) -> None:
        """All children are gone: let it go too."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_GUARDIAN_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def watch(self, child: Child) -> None:
        """End this child too."""
        self._tell(f"+{child.pid} {child.spec.stop_seconds}")

    def forget(self, child: Child) -> None:
        """It is gone: its number may soon be another's."""
        self._tell(f"-{child.pid}")

    def _tell(self, message: str) -> None:
        if self._process.stdin is not None:
            # Killed by somebody: nothing that needs mending as long as this process lives.
            with suppress(OSError, ValueError):
                self._process.stdin.write(f"{message}\n")
