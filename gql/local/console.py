"""One stream of output: each line of each program, prefixed with its name.

Writing never blocks the caller. A terminal can be paused (Ctrl-S) and a pipe can have no reader. Lines then wait in a
bounded queue, and beyond it are counted and dropped, so that programs are not blocked and signals are still handled.
"""

from __future__ import annotations

import os
import queue
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# Prefix of the supervisor's own lines.
OWN_NAME: Final = "run"

# At most about 10 MB of memory if each line is long.
_QUEUED_LINES: Final = 10_000
# Enough for a reader that is not blocked.
_CLOSE_SECONDS: Final = 0.5

# Cyan, yellow, green, magenta: readable on light and dark backgrounds.
_COLOURS: Final = (36, 33, 32, 35)


class Console:
    """Writes lines to file descriptors in the order in which they arrive."""

    def __init__(self, names: Sequence[str], *, colour: bool, output: int = 1, errors: int = 2) -> None:
        self._prefixes = _prefixes((OWN_NAME, *names), colour=colour)
        self._output = output
        self._errors = errors
        self._queue: queue.Queue[tuple[int, str] | None] = queue.Queue(_QUEUED_LINES)
        self._dropped = 0
        # A daemon thread: a write that blocks for ever does not keep the process alive.
        self._writer = threading.Thread(target=self._write_all, name="console", daemon=True)
        self._writer.start()

    def line(self, name: str, text: str) -> None:
        """Write a line of one program."""
        self._put(self._output, f"{self._prefixes[name]}{text}")

    def own_line(self, text: str) -> None:
        """Write a line of the supervisor."""
        self.line(OWN_NAME, text)

    def ready(self, url: str) -> None:
        """Write the one line without a prefix, which users and programs wait for."""
        self._put(self._output, f"Ready: {url}")

    def error(self, text: str) -> None:
        """Write what went wrong and how to fix it."""
        self._put(self._errors, f"error: {text}")

    def close(self) -> None:
        """Write what is queued, unless the reader is blocked."""
        with suppress(queue.Full):
            self._queue.put(None, timeout=_CLOSE_SECONDS)
            self._writer.join(_CLOSE_SECONDS)

    def _put(self, stream: int, text: str) -> None:
        try:
            if self._dropped:
                notice = f"{self._prefixes[OWN_NAME]}{self._dropped} lines dropped: output was not read"
                self._queue.put_nowait((self._output, notice))
                self._dropped = 0
            self._queue.put_nowait((stream, text))
        except queue.Full:
            self._dropped += 1

    def _write_all(self) -> None:
        while (item := self._queue.get()) is not None:
            stream, text = item
            data = f"{text}\n".encode(errors="replace")
            # The terminal or the reader is gone: the system keeps running until a signal stops it.
            with suppress(OSError):
                # Not sys.stdout: its lock, held by a blocked write, would keep the interpreter from exiting.
                while data:
                    data = data[os.write(stream, data) :]


def _prefixes(names: Sequence[str], *, colour: bool) -> dict[str, str]:
    width = max(map(len, names))
    plain = {name: f"{name:<{width}} | " for name in names}
    if not colour:
        return plain
    return {
        name: f"\033[{_COLOURS[place % len(_COLOURS)]}m{prefix}\033[0m"
        for place, (name, prefix) in enumerate(plain.items())
    }
