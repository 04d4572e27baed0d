"""Stops the programs of a supervisor that was killed: a separate process, `python guardian.py`.

Without it, SIGKILL to `make run` (an IDE's stop button, the out-of-memory killer) leaves Valkey, worker and API running
with a locked data folder and a used port. The supervisor writes a line `PID SECONDS` for each program it starts (the
leader of a process group, and how long it may take to stop), and `done` once all have stopped. If the input ends
without `done`, the programs are stopped in reverse order: SIGTERM, then SIGKILL to the group.

Linux's PR_SET_PDEATHSIG would signal all of them at once: Valkey would stop while the worker still writes to it.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from typing import Final

_POLL_SECONDS: Final = 0.02


def main() -> None:
    """Wait for the end of the supervisor, then stop what it left running."""
    lines = sys.stdin.read().splitlines()
    if "done" in lines:
        return
    deadline = time.monotonic()
    for line in reversed(lines):
        pid, seconds = line.split()
        deadline += float(seconds)
        _stop(int(pid), deadline)


def _stop(pid: int, deadline: float) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(_POLL_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
