"""Extends the lease of a segment while it is computed, and kills the process if it does not stop after losing it."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from tasks.worker import watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.storage.worker_scripts import Claim
    from tasks.worker.job_recorder import JobRecorder

# Two extensions in a row may fail before the lease expires.
_EXTENSIONS_PER_LEASE = 3

# Seconds for which a task may continue after losing its segment: all its writes are refused.
_LOST_LEASE_GRACE_SECONDS = 10.0


@contextmanager
def extending_lease(recorder: JobRecorder, claim: Claim) -> Iterator[None]:
    """Extend the lease three times per lease duration while the block runs, from a background thread.

    A block that continues although the segment is lost hangs: its process is killed, and the worker starts another.
    Celery's own time limits would keep a timer for each task until the limit has passed, used or not.
    """
    stopped = threading.Event()

    def extend_until_stopped() -> None:
        while not stopped.wait(recorder.lease_seconds / _EXTENSIONS_PER_LEASE):
            try:
                is_extended = recorder.extend_lease(claim)
            except redis.RedisError:
                # The next extension may succeed. If none does, the lease expires, as intended.
                continue
            if not is_extended:
                if not stopped.wait(_LOST_LEASE_GRACE_SECONDS):
                    watchdog.kill_process(
                        f"Segment {claim.index} of job {claim.job_id} still runs "
                        f"{_LOST_LEASE_GRACE_SECONDS:.0f} s after its lease was lost"
                    )
                return

    thread = threading.Thread(target=extend_until_stopped, name=f"lease of {claim.job_id}:{claim.index}", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
