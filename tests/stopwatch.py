"""Measures how long programs take, without what a busy machine adds: tests share it with each other and with others.

Where the system does not have Linux's accounting of threads, only elapsed time is measured.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Self


class Stopwatch:
    """Runs from its creation to `stop`, or to the end of its block.

    Watches the calling thread and those with the given ids. The id of a process is that of its main thread.
    """

    def __init__(self, *threads: int) -> None:
        self._threads = {threading.get_native_id(), *threads}
        self._before = self._read()
        self.elapsed = self.computing = self.delayed = 0.0

    def stop(self) -> Self:
        self.elapsed, self.computing, self.delayed = (
            after - before for after, before in zip(self._read(), self._before, strict=True)
        )
        return self

    def stop_at_exit(self, process: int) -> Self:
        """Stop when a child process ends. It remains to be waited for."""
        os.waitid(os.P_PID, process, os.WEXITED | os.WNOWAIT)
        return self.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def seconds(self) -> float:
        """Elapsed time without that in which the threads were ready and had no processor."""
        return max(0.0, self.elapsed - self.delayed)

    @property
    def idle_seconds(self) -> float:
        """The time in which no thread had work: what timeouts, intervals and other programs take."""
        return max(0.0, self.seconds - self.computing)

    def __str__(self) -> str:
        return f"{self.elapsed:.3f} s, {self.computing:.3f} computing and {self.delayed:.3f} without a processor"

    def _read(self) -> tuple[float, float, float]:
        """Now; and for how long the threads were on a processor, and ready without one. A thread that ended has 0."""
        computing = delayed = 0
        for thread in self._threads:
            with suppress(OSError):
                on, ready, _ = Path(f"/proc/{thread}/schedstat").read_text(encoding="ascii").split()
                computing, delayed = computing + int(on), delayed + int(ready)
        return time.monotonic(), computing / 1e9, delayed / 1e9


def own_threads() -> list[int]:
    """The ids of all threads of this process, for what is served in it."""
    return [thread.native_id for thread in threading.enumerate() if thread.native_id is not None]
