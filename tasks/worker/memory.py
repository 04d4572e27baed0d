"""How a worker's processes use memory: what they inherit stays shared, and what they free is used again.

The garbage collector writes to every object that it visits, and so to the object's page. Its first full collection in a
forked process would copy all pages inherited from the parent, and so would one in the parent.

glibc gives a freed segment back to the kernel, which fills its pages with zeros for the next one: a third of the time
that sieving takes.
"""

from __future__ import annotations

import ctypes
import gc
from typing import Any

from celery import signals

# Objects that one collection of the youngest generation visits, and collections until the next older generation is
# visited too. By default 700, 10 and 10.
_THRESHOLDS = (10_000, 10, 10)

# Parameters of mallopt: free memory from which on some is given back, and size from which on an allocation is given
# back by itself. Two segments are in memory at a time, with 8 MiB each; glibc accepts at most 32 MiB.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 32 * 2**20


def connect() -> None:
    """Prepare the main process before the first fork, for itself and for all that it forks."""
    signals.worker_before_create_process.connect(_prepare, weak=False)


def _prepare(**_: Any) -> None:  # noqa: ANN401 - arguments of the signal
    # Not at later forks: objects in use then may become garbage, and frozen garbage is never freed.
    if gc.get_freeze_count() == 0:
        keep_freed_memory()
        # Modules and settings, which are never freed.
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)


def keep_freed_memory() -> None:
    """Let freed segments stay in this process, and those that are forked from it. Other C libraries have no mallopt."""
    if mallopt := getattr(ctypes.CDLL(None), "mallopt", None):
        for parameter in (_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD):
            mallopt(parameter, _KEPT_BYTES)
