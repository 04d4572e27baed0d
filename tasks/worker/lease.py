"""Extends the leases of segments while they are computed. Kills a process that does not stop after losing its lease."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import redis

from tasks.worker import watchdog

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.storage.worker_scripts import Claim
    from tasks.worker.job_recorder import JobRecorder

# A lease is first extended when a sixth to a third of it has passed: most segments are done by then. At least three
# extensions in a row may fail before it expires.
_CHECKS_PER_LEASE = 6

# Seconds for which a task may continue after losing its segment: all its writes are refused.
_LOST_LEASE_GRACE_SECONDS = 10.0


class LeaseExtender:
    """Extends leases from one background thread per process.

    A task that continues although its segment is lost hangs: its process is killed, and the worker starts another.
    Celery's own time limits would keep a timer for each task until the limit has passed, used or not.
    """

    def __init__(self, recorder: JobRecorder) -> None:
        self._recorder = recorder
        # By block: one thread stores a segment while another computes the next, and some of Celery's pools have more.
        self._held: dict[object, Claim] = {}
        # Claims at the last check: time of the loss, None while the segment is held.
        self._seen: dict[Claim, float | None] = {}

    def start(self) -> None:
        """Start the thread, which ends with the process."""
        threading.Thread(target=self._run, name="leases", daemon=True).start()

    @contextmanager
    def extending(self, claim: Claim) -> Iterator[None]:
        """Extend the lease while the block runs."""
        block = object()
        self._held[block] = claim
        try:
            yield
        finally:
            del self._held[block]

    def check(self) -> None:
        """Extend all leases but those of claims that are new at this check."""
        held, seen = list(self._held.values()), self._seen
        self._seen = {claim: self._extend(claim, seen[claim]) if claim in seen else None for claim in held}

    def _run(self) -> None:
        while True:
            time.sleep(self._recorder.lease_seconds / _CHECKS_PER_LEASE)
            self.check()

    def _extend(self, claim: Claim, lost_at: float | None) -> float | None:
        """Extend a lease. Returns when it was lost, None while it is held."""
        if lost_at is None:
            try:
                return None if self._recorder.extend_lease(claim) else time.monotonic()
            except redis.RedisError:
                # The next extension may succeed. If none does, the lease expires, as intended.
                return None
        if time.monotonic() - lost_at > _LOST_LEASE_GRACE_SECONDS:
            watchdog.kill_process(
                f"Segment {claim.index} of job {claim.job_id} still runs "
                f"{_LOST_LEASE_GRACE_SECONDS:.0f} s after its lease was lost"
            )
        return lost_at
