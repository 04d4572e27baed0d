"""Ctrl-C under `make`: which process receives it.

The terminal sends SIGINT to all processes of its foreground group, so to make as well. Make would wait for this process
and then report a failure (exit code 130) although everything stopped as it should. So this process becomes the only
one in the foreground while the system runs, as if a shell had started it. Make then sees exit code 0.

Ctrl-Z is ignored meanwhile: the shell waits for make, which would never learn that it should stop.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def own_foreground_group() -> Iterator[None]:
    """Make this process its own foreground group, and restore the previous one afterwards.

    Does nothing without a terminal, in the background, or if a shell has given this process its own group.
    """
    group = os.getpgrp()
    if not _shares_foreground(group):
        yield
        return
    # The terminal is given back from the background, where SIGTTOU would stop this process.
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTSTP, signal.SIGTTOU)}
    try:
        os.setpgid(0, 0)
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
        threading.Thread(target=_forward_hangup, args=(sys.stdin.fileno(),), name="hangup", daemon=True).start()
        yield
    finally:
        with suppress(OSError):  # the terminal was closed
            os.tcsetpgrp(sys.stdin.fileno(), group)
        for number, handler in previous.items():
            signal.signal(number, handler)


def _shares_foreground(group: int) -> bool:
    try:
        return group != os.getpid() and os.tcgetpgrp(sys.stdin.fileno()) == group
    except (OSError, ValueError, AttributeError):
        return False


def _forward_hangup(terminal: int) -> None:
    """Raise SIGHUP here when the terminal closes: the kernel sends it to the session leader only, which may be make."""
    poll = select.poll()
    poll.register(terminal, 0)  # only hang-up and error, which are always reported
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)
