"""The Celery task: compute the segment that a message names, and after it those that are due next.

There are two queues, and each segment is one attempt (tasks.worker.attempt), in the trace of its job:

- `small`: claim the segment, compute it, complete it. The script that completes it also claims the next one and takes
  its message from the queue.
- `large`: claim the segment, compute it, and hand it to another thread that stores and completes it. Meanwhile claim
  and compute the next one: storing mostly waits, for the disk or the network. At most one waits to be stored.
"""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from celery import shared_task
from celery.utils.log import get_task_logger

from tasks.instrumentation import metrics, tracing
from tasks.storage.messages import LARGE_QUEUE, SEGMENT_TASK, SMALL_QUEUE
from tasks.worker import termination
from tasks.worker.attempt import (
    AttemptEnded,
    AttemptOutcome,
    complete_segment,
    compute_segment,
    log_fields,
    recorder,
    step,
)
from tasks.worker.shutdown import release_segments
from tasks.worker.termination import Interrupted

if TYPE_CHECKING:
    from concurrent.futures import Future

    from celery import Task
    from opentelemetry.trace import Span

    from tasks.storage.worker_scripts import Claim
    from tasks.worker.attempt import ComputedSegment

log = get_task_logger(__name__)

# Bounds of one task, in segments and in seconds by queue. A message costs Celery about as much as a small segment costs
# in all, and the last large one of a task is stored while nothing is computed: shared by this number of segments, it no
# longer matters. Between two tasks the worker takes messages in the order of its queues again, and ends if it was
# stopped, so that both wait little longer than for one segment. A task of large ones also ends when small ones wait.
MAX_SEGMENTS = 50
MAX_SECONDS = {SMALL_QUEUE: 0.1, LARGE_QUEUE: 0.5}


@shared_task(name=SEGMENT_TASK, bind=True)
def generate_segment(self: Task[..., None], job_id: str, index: int) -> None:
    """Compute one segment, then the next ones. Safe to run twice: a stale claim or a late write is refused."""
    queue = str((self.request.delivery_info or {}).get("routing_key"))
    with termination.postponed():
        Batch(queue, self.request.hostname or "").run(job_id, index, self.request.get("traceparent"))


@dataclass(frozen=True, slots=True)
class _Attempt:
    """An attempt at a segment, its span, and when it started."""

    job_id: str
    index: int
    span: Span
    started: float


class Batch:
    """The segments that one task computes, one after the other."""

    def __init__(self, queue: str, worker: str) -> None:
        self._queue = queue
        self._worker = worker
        self._started = time.perf_counter()
        self._attempts = 0
        # Only those of small segments. Each large one has its own log line.
        self._outcomes: Counter[AttemptOutcome] = Counter()
        # The end of the large segment that another thread stores.
        self._storing: Future[None] | None = None

    def run(self, job_id: str, index: int, traceparent: str | None) -> None:
        """Compute the segment of a message, and those that follow it."""
        try:
            try:
                claim = self._run_attempt(job_id, index, traceparent)
                while claim is not None:
                    claim = self._run_attempt(claim.job_id, claim.index, claim.traceparent, claim)
            finally:
                self._wait_until_stored()
        except Interrupted:
            # Also the segment that is being stored. If it is not completed by now, it is fenced.
            release_segments(self._worker)
        self._log_end()

    def _run_attempt(
        self, job_id: str, index: int, traceparent: str | None, claim: Claim | None = None
    ) -> Claim | None:
        """Run one attempt. Without a claim, claim the segment first. Returns the claim of the next segment."""
        self._attempts += 1
        span = tracing.start_process_span(traceparent, self._queue, job_id, index)
        attempt = _Attempt(job_id, index, span, time.perf_counter())
        # None: another thread stores the segment, and ends the attempt and its span.
        outcome: AttemptOutcome | None = AttemptOutcome.STALE
        following = None
        try:
            with tracing.in_span(span):
                try:
                    claim = claim or recorder().claim_segment(job_id, index, self._worker)
                    if claim is not None:
                        computed = compute_segment(claim)
                        if claim.is_small:
                            next_worker = self._worker if self._is_open() else None
                            outcome, following = complete_segment(claim, computed, next_worker)
                        else:
                            self._begin_to_store(attempt, claim, computed)
                            outcome = None
                except AttemptEnded as ended:
                    outcome = ended.outcome
                except Interrupted:
                    self._record(attempt, AttemptOutcome.RELEASED)
                    raise
                if outcome is not None:
                    self._record(attempt, outcome, following)
                elif claim is not None:
                    following = self._claim_next(claim)
        finally:
            if outcome is not None:
                span.end()
        return following

    def _begin_to_store(self, attempt: _Attempt, claim: Claim, computed: ComputedSegment) -> None:
        """Let another thread store a large segment, once the one before is stored."""
        with step(claim):
            self._wait_until_stored()
            self._storing = storing_threads(os.getpid()).submit(self._store, attempt, claim, computed)

    def _store(self, attempt: _Attempt, claim: Claim, computed: ComputedSegment) -> None:
        """Store and complete a large segment, in another thread."""
        try:
            with tracing.in_span(attempt.span):
                try:
                    outcome, _ = complete_segment(claim, computed)
                except AttemptEnded as ended:
                    outcome = ended.outcome
                self._record(attempt, outcome)
        finally:
            attempt.span.end()

    def _claim_next(self, claim: Claim) -> Claim | None:
        """Claim the next large segment while this one is being stored. None: the batch ends.

        One that has lost a worker before is stored alone: it may have shared that worker with one that kills workers.
        """
        if claim.attempt > 1 or not self._is_open():
            return None
        return recorder().claim_next_segment(claim, self._queue, self._worker)

    def _is_open(self) -> bool:
        """Whether this task may compute another segment."""
        elapsed = time.perf_counter() - self._started
        return self._attempts < MAX_SEGMENTS and elapsed < MAX_SECONDS[self._queue] and not termination.is_terminated()

    def _wait_until_stored(self) -> None:
        """Wait for the large segment before."""
        if self._storing is None:
            return
        with termination.interruptible():
            error = self._storing.exception()
        self._storing = None
        if error is not None:
            log.error("The end of an attempt was not recorded", exc_info=error)

    def _record(self, attempt: _Attempt, outcome: AttemptOutcome, following: Claim | None = None) -> None:
        """Record telemetry of an attempt at its end."""
        seconds = time.perf_counter() - attempt.started
        attempt.span.set_attribute("task.outcome", outcome)
        attributes = {"messaging.destination.name": self._queue, "task.outcome": outcome}
        metrics.PROCESS_DURATION.record(seconds, attributes)
        level = logging.INFO
        if self._queue == SMALL_QUEUE:
            self._outcomes[outcome] += 1
            level = logging.INFO if following is None and self._outcomes.total() == 1 else logging.DEBUG
        ids = (attempt.job_id, attempt.index)
        log.log(level, "Job %s segment %d: %s in %.3f s", *ids, outcome, seconds, extra=log_fields(*ids))

    def _log_end(self) -> None:
        """Log one line for all small segments if there were several."""
        if (total := self._outcomes.total()) > 1:
            counts = ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.items())
            seconds = time.perf_counter() - self._started
            log.info("Queue %s: %d segments in %.3f s: %s", self._queue, total, seconds, counts)


@cache
def storing_threads(_pid: int) -> ThreadPoolExecutor:
    """The threads of this process that store large segments: one, unless its pool runs several tasks."""
    return ThreadPoolExecutor(thread_name_prefix="storing")
