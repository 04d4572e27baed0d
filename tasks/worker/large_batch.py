"""Large segments: each is stored by another thread while the next one is computed.

Storing mostly waits, for the disk or the network. At most one segment waits to be stored.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from celery.utils.log import get_task_logger

from tasks.instrumentation import tracing
from tasks.storage.messages import LARGE_QUEUE
from tasks.worker import termination
from tasks.worker.attempt import (
    AttemptEnded,
    AttemptOutcome,
    compute_segment,
    recorder,
    step,
    store_and_complete,
)
from tasks.worker.batch import Attempt, Batch, log_attempt, record
from tasks.worker.termination import Interrupted

if TYPE_CHECKING:
    from concurrent.futures import Future

    from tasks.storage.worker_scripts import Claim
    from tasks.worker.attempt import ComputedSegment

log = get_task_logger(__name__)


class LargeBatch(Batch):
    """Segments of the large queue."""

    queue = LARGE_QUEUE
    max_seconds = 0.5

    def __init__(self, worker: str) -> None:
        super().__init__(worker)
        # The end of the segment that another thread stores.
        self._storing: Future[None] | None = None

    def _run(self, job_id: str, index: int, traceparent: str | None) -> None:
        try:
            claim = self._run_attempt(job_id, index, traceparent)
            while claim is not None:
                claim = self._run_attempt(claim.job_id, claim.index, claim.traceparent, claim)
        finally:
            self._wait_until_stored()

    def _run_attempt(
        self, job_id: str, index: int, traceparent: str | None, claim: Claim | None = None
    ) -> Claim | None:
        """Run one attempt. Without a claim, claim the segment first. Returns the claim of the next segment."""
        attempt = self._begin(job_id, index, traceparent)
        # None: another thread stores the segment, and ends the attempt and its span.
        outcome: AttemptOutcome | None = AttemptOutcome.STALE
        try:
            with tracing.in_span(attempt.span):
                try:
                    claim = claim or recorder().claim_segment(job_id, index, self._worker)
                    if claim is not None:
                        self._begin_to_store(attempt, claim, compute_segment(claim))
                        outcome = None
                except AttemptEnded as ended:
                    outcome = ended.outcome
                except Interrupted:
                    _end(attempt, AttemptOutcome.RELEASED)
                    raise
                if outcome is not None:
                    _end(attempt, outcome)
                elif claim is not None:
                    return self._claim_next(claim)
        finally:
            if outcome is not None:
                attempt.span.end()
        return None

    def _begin_to_store(self, attempt: Attempt, claim: Claim, computed: ComputedSegment) -> None:
        """Let another thread store a segment, once the one before is stored."""
        with step(claim):
            self._wait_until_stored()
            self._storing = storing_threads(os.getpid()).submit(_store, attempt, claim, computed)

    def _claim_next(self, claim: Claim) -> Claim | None:
        """Claim the next segment while this one is being stored. None: the batch ends.

        One that has lost a worker before is stored alone: it may have shared that worker with one that kills workers.
        """
        if claim.attempt > 1 or not self._remaining():
            return None
        return recorder().claim_next_segment(claim, self.queue, self._worker)

    def _wait_until_stored(self) -> None:
        """Wait for the segment before."""
        if self._storing is None:
            return
        with termination.interruptible():
            error = self._storing.exception()
        self._storing = None
        if error is not None:
            log.error("The end of an attempt was not recorded", exc_info=error)


def _store(attempt: Attempt, claim: Claim, computed: ComputedSegment) -> None:
    """Store and complete a segment, in another thread."""
    try:
        with tracing.in_span(attempt.span):
            try:
                outcome = store_and_complete(claim, computed)
            except AttemptEnded as ended:
                outcome = ended.outcome
            _end(attempt, outcome)
    finally:
        attempt.span.end()


def _end(attempt: Attempt, outcome: AttemptOutcome) -> None:
    log_attempt(attempt, outcome, record(attempt, LARGE_QUEUE, outcome))


@cache
def storing_threads(_pid: int) -> ThreadPoolExecutor:
    """The threads of this process that store large segments: one, unless its pool runs several tasks."""
    return ThreadPoolExecutor(thread_name_prefix="storing")
