"""Processes that end with the process that started them, also if that one was killed."""

from __future__ import annotations

import ctypes
import os
import signal

# From <sys/prctl.h>, Linux. The signal comes when the thread that started the process ends.
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def end_with_parent(parent: int) -> None:
    """Let the kernel kill this process when its parent ends.

    Args:
        parent: process id of the parent, which may have ended already.
    """
    if _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        raise OSError(ctypes.get_errno(), "prctl failed")
    if os.getppid() != parent:
        os._exit(1)
