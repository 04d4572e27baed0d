"""One readable stream: each line of each program with its name before it.

Writing never makes the supervisor wait. A terminal may be held (Ctrl-S), a pipe may have no reader: then lines wait in
a queue of fixed length, and after that are counted and left out, while signals and children are still attended to.
"""

from __future__ import annotations

import os
import queue
import select
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTPUT: Final = 1
ERRORS: Final = 2

# Of the supervisor itself, beside the names of the children.
OWN_NAME: Final = "run"

# About a screen an hour at worst; in memory 10 MB when each line is long.
_WAITING_LINES: Final = 10_000
# What a reader who does read needs to take the last lines.
_LAST_LINES_SECONDS: Final = 0.5

# Cyan, yellow, green, magenta: told apart on light and dark.
_COLOURS: Final = (36, 33, 32, 35)


class Console:
    """Where all output goes, in the order in which it came."""

    def __init__(self, names: Sequence[str], *, colour: bool, output: int = OUTPUT, errors: int = ERRORS) -> None:
        self._prefixes = _prefixes((OWN_NAME, *names), colour=colour)
        self._output = output
        self._errors = errors
        self._waiting: queue.Queue[tuple[int, str] | None] = queue.Queue(_WAITING_LINES)
        self._left_out = 0
        # A daemon: blocked in a write for ever, it does not keep the process.
        self._writer = threading.Thread(target=self._write_all, name="console", daemon=True)
        self._writer.start()

    def line(self, name: str, text: str) -> None:
        """A line of one program."""
        self._put(self._output, f"{self._prefixes[name]}{text}")

    def say(self, text: str) -> None:
        """A line of the supervisor."""
        self.line(OWN_NAME, text)

    def ready(self, url: str) -> None:
        """The one line without a prefix, for people and programs that wait for it."""
        self._put(self._output, f"Ready: {url}")

    def error(self, text: str) -> None:
        """What went wrong and how to mend it."""
        self._put(self._errors, f"error: {text}")

    def close(self) -> None:
        """Give the reader a moment for the last lines."""
        try:
            self._waiting.put(None, timeout=_LAST_LINES_SECONDS)
        except queue.Full:
            return
        self._writer.join(_LAST_LINES_SECONDS)

    def _put(self, stream: int, text: str) -> None:
        try:
            if self._left_out:
                self._waiting.put_nowait(
                    (self._output, f"{self._prefixes[OWN_NAME]}{self._left_out} lines were left out: nobody read them")
                )
                self._left_out = 0
            self._waiting.put_nowait((stream, text))
        except queue.Full:
            self._left_out += 1

    def _write_all(self) -> None:
        while (item := self._waiting.get()) is not None:
            stream, text = item
            try:
                _write(stream, f"{text}\n".encode(errors="replace"))
            except OSError:
                # The terminal or the reader is gone: the system runs on, and is stopped by a signal as ever.
                continue


def _prefixes(names: Sequence[str], *, colour: bool) -> dict[str, str]:
    width = max(map(len, names))
    plain = {name: f"{name:<{width}} | " for name in names}
    if not colour:
        return plain
    return {
        name: f"\033[{_COLOURS[place % len(_COLOURS)]}m{prefix}\033[0m"
        for place, (name, prefix) in enumerate(plain.items())
    }


def _write(stream: int, data: bytes) -> None:
    # Not by sys.stdout: its lock, held by a write that blocks, would stop the interpreter from ending.
    while data:
        try:
            data = data[os.write(stream, data) :]
        except BlockingIOError:
            select.select((), (stream,), ())
