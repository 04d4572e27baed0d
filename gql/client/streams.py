"""Standard output for primes, standard error for progress."""

from __future__ import annotations

import io
import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from rich.progress import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console
    from rich.progress import ProgressColumn


@contextmanager
def standard_output() -> Iterator[BinaryIO]:
    """Standard output for bytes, written completely at the end of the block.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        OSError: it could not be written.
    """
    file: BinaryIO = sys.stdout.buffer
    if isinstance(file, io.RawIOBase):
        # PYTHONUNBUFFERED is set: a raw file may write less than it is given.
        file = io.BufferedWriter(file)
    try:
        yield file
        file.flush()
    except BaseException:
        # Python writes what is left in the buffer when it exits, which would fail again, or block.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise


def progress_bar(console: Console, *columns: ProgressColumn) -> Progress:
    """A progress bar, invisible in a log file."""
    return Progress(*columns, console=console, disable=not console.file.isatty())
