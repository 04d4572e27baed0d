"""One running program: its output line by line, and its process group.

Each program leads its own session. Ctrl-C in the terminal therefore reaches the supervisor alone, which stops the
programs in order, and whatever a program has started is killed with it as one process group.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, cast

from gql.local.errors import LocalRunError
from gql.local.settings import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from gql.local.console import Console
    from gql.local.programs import Program

# Characters. A longer line is split, so that a program that never ends its line does not fill this process's memory.
_MAX_LINE: Final = 16_384
# Lines of output quoted in the error if a program exits.
_QUOTED_LINES: Final = 5
# After the exit: for output still in the pipe, and for the kernel to remove the killed group.
_DRAIN_SECONDS: Final = 0.3


class Child:
    """A started program. Calls `on_exit` from another thread once it, its group and its output have ended.

    Raises:
        LocalRunError: the program does not exist or cannot be started.
    """

    def __init__(
        self, program: Program, console: Console, inherited: tuple[int, ...], on_exit: Callable[[Child], None]
    ) -> None:
        self.program = program
        self._console = console
        self._on_exit = on_exit
        self._last_lines: deque[str] = deque(maxlen=_QUOTED_LINES)
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the project's own commands
                program.command,
                cwd=ROOT,
                env=program.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=inherited,
                encoding="utf-8",
                errors="replace",
            )
        except OSError as error:
            raise LocalRunError(
                f"{program.name} cannot be started: {error}. Reinstall with `make clean run`"
            ) from error
        self.pid = self._process.pid
        self._reader = threading.Thread(target=self._forward_output, name=program.name, daemon=True)
        self._reader.start()
        threading.Thread(target=self._wait, name=f"{program.name} exit", daemon=True).start()

    def terminate(self) -> None:
        """Send SIGTERM to the leader alone: it stops its own children in its own order."""
        self._process.terminate()

    def kill(self) -> None:
        """Send SIGKILL to the whole group."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def exit_report(self) -> str:
        """How the program exited, with its last lines of output."""
        code = self._process.returncode
        how = f"exited with code {code}" if code >= 0 else f"was killed by {signal.Signals(-code).name}"
        quoted = "".join(f"\n  {line}" for line in self._last_lines)
        return f"{self.program.name} {how}; {f'last output:{quoted}' if quoted else 'no output'}"

    def _forward_output(self) -> None:
        with cast("IO[str]", self._process.stdout) as output:
            while piece := output.readline(_MAX_LINE):
                line = piece.removesuffix("\n")
                self._console.line(self.program.name, line)
                if line.strip():
                    self._last_lines.append(line)

    def _wait(self) -> None:
        self._process.wait()
        self.kill()
        # A program that it started may have left its group and still hold the pipe open.
        self._reader.join(_DRAIN_SECONDS)
        deadline = time.monotonic() + _DRAIN_SECONDS
        with suppress(ProcessLookupError, PermissionError):
            while time.monotonic() < deadline:
                os.killpg(self.pid, 0)
                time.sleep(0.01)
        self._on_exit(self)
