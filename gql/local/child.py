"""One running program: its output, line by line, and its end, with all that it started.

Each is the leader of a session of its own. So Ctrl-C in the terminal reaches the supervisor alone, which then ends them
in order; and whatever a program starts can be ended with it, as one process group.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, STDOUT
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from gql.local.errors import CannotRun
from gql.local.lines import LineSplitter
from gql.local.settings import ROOT

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Mapping

    from gql.local.console import Console

_CHUNK_BYTES: Final = 65_536
_LAST_LINES: Final = 5
# What a program wrote just before its end is in the pipe already; one that it started may hold the pipe open.
_LAST_OUTPUT_SECONDS: Final = 0.3
# The kernel ends a killed group at once; after this long only zombies that nobody collects are left.
_KILLED_GROUP_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """A program to run.

    Attributes:
        environment: the whole of it.
        stop_seconds: what it may take to end after SIGTERM, before SIGKILL; added to what those before it left over.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_seconds: float


class Child:
    """A program that was started. `ended` is a task that is done when it and its last output are."""

    def __init__(self, spec: ChildSpec, process: Process, console: Console) -> None:
        self.spec = spec
        self.pid = process.pid
        self._process = process
        self._console = console
        self._last_lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._output = asyncio.create_task(self._pass_on_output())
        self.ended = asyncio.create_task(self._wait())

    @classmethod
    async def start(cls, spec: ChildSpec, console: Console, inherited: tuple[int, ...] = ()) -> Self:
        """Start it in the repository's root, with some file descriptors kept open.

        Raises:
            CannotRun: there is no such program, or the machine starts no more.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *spec.command,
                cwd=ROOT,
                env=spec.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
                start_new_session=True,
                pass_fds=inherited,
            )
        except OSError as error:
            raise CannotRun(f"{spec.name} can't be started: {error}: run `make clean run` to install anew") from error
        return cls(spec, process, console)

    async def end(self, seconds: float) -> None:
        """Ask it to end, wait so long, and kill what remains of its group."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                # To the leader alone: it knows in which order its own children end.
                self._process.terminate()
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self.ended)
        except TimeoutError:
            self._console.say(f"{self.spec.name} did not end within {seconds:.1f} s: killed")
            self.kill()
            await self.ended

    def kill(self) -> None:
        """End it and all that it started, at once."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def last_words(self) -> str:
        """How it ended and the last that it said, for an error of one line and some indented ones."""
        code = self._process.returncode
        how = "is still running" if code is None else f"ended by itself with exit code {code}"
        if code is not None and code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        said = "".join(f"\n  {line}" for line in self._last_lines)
        return f"{self.spec.name} {how}; {f'the last it said:{said}' if said else 'it said nothing'}"

    async def _wait(self) -> None:
        await self._process.wait()
        self.kill()
        await asyncio.wait({self._output}, timeout=_LAST_OUTPUT_SECONDS)
        self._output.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(_KILLED_GROUP_SECONDS):
                await self._group_is_gone()

    async def _group_is_gone(self) -> None:
        with suppress(ProcessLookupError, PermissionError):
            while True:
                os.killpg(self.pid, 0)
                await asyncio.sleep(0.01)

    async def _pass_on_output(self) -> None:
        if self._process.stdout is None:
            raise AssertionError("started with a pipe")
        splitter = LineSplitter()
        while data := await self._process.stdout.read(_CHUNK_BYTES):
            self._show(splitter.feed(data))
        self._show(splitter.end())

    def _show(self, lines: list[str]) -> None:
        for line in lines:
            self._console.line(self.spec.name, line)
            if line.strip():
                self._last_lines.append(line)
