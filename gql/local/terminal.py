"""Ctrl-C under `make`: who gets it.

The terminal sends SIGINT to all processes in its foreground group, so to make as well. Make would wait for us and then
die of the signal, and its caller would see a failure (130) where all ended well. So while the system runs, the
foreground is this process alone, as it would be if a shell had started it. Make then sees a program that ended with 0.

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
def in_foreground_alone() -> Iterator[None]:
    """Take the terminal from the group that started us, and give it back afterwards.

    Does nothing without a terminal, in the background, or where a shell made us a group already.
    """
    group = os.getpgrp()
    if not _shares_foreground(group):
        yield
        return
    # Giving the terminal back is done from the background, which would stop us.
    previous = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTSTP, signal.SIGTTOU)}
    try:
        os.setpgid(0, 0)
        os.tcsetpgrp(sys.stdin.fileno(), os.getpgrp())
        threading.Thread(target=_pass_on_hangup, args=(sys.stdin.fileno(),), name="hangup", daemon=True).start()
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


def _pass_on_hangup(terminal: int) -> None:
    """Tell ourselves that the terminal was closed: it tells its session's leader alone, which may be make."""
    poll = select.poll()
    poll.register(terminal, 0)  # no event but those that are always reported: hang-up and error
    poll.poll()
    os.kill(os.getpid(), signal.SIGHUP)
