"""The Celery task: compute one segment of a job, and after it those that are due next."""

from __future__ import annotations

import logging
import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from celery import shared_task
from celery.utils.log import get_task_logger

from tasks.instrumentation import metrics, tracing
from tasks.storage.messages import LARGE_QUEUE, SEGMENT_TASK, SMALL_QUEUE
from tasks.worker import termination
from tasks.worker.attempt import (
    AttemptOutcome,
    complete_segment,
    compute_segment,
    log_fields,
    recorder,
    run_small_attempt,
    run_step,
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
    """The segments that one task computes, one after the other.

    Completing a small segment claims the next one in the same script call, which also takes its message from the queue.
    A large one is stored and completed in another thread while the next one is claimed and computed: storing mostly
    waits, for the disk or the network. At most one waits to be stored.
    """

    def __init__(self, queue: str, worker: str) -> None:
        self._queue = queue
        self._worker = worker
        self._started = time.perf_counter()
        self._attempts = 0
        # Only those of small segments. Each large one has its own log line.
        self._outcomes: Counter[AttemptOutcome] = Counter()
        self._storing: Future[None] | None = None

    def run(self, job_id: str, index: int, traceparent: str | None) -> None:
        """Compute the segment of a message, and those that follow it."""
        try:
            try:
                following = self._run_attempt(job_id, index, traceparent)
                while following is not None:
                    following = self._run_attempt(following.job_id, following.index, following.traceparent, following)
            finally:
                self._wait_until_stored()
        except Interrupted:
            # Also the segment that is being stored. If it is not completed by now, it is fenced.
            release_segments(self._worker)
        self._log_end()

    def _run_attempt(
        self, job_id: str, index: int, traceparent: str | None, claim: Claim | None = None
    ) -> Claim | None:
        """Run one attempt in the trace of its job. Without a claim, claim the segment first. Returns the next claim."""
        self._attempts += 1
        span = tracing.start_process_span(traceparent, self._queue, job_id, index)
        attempt = _Attempt(job_id, index, span, time.perf_counter())
        outcome: AttemptOutcome | None = AttemptOutcome.STALE
        following = None
        try:
            with tracing.in_span(span):
                try:
                    if claim := claim or recorder().claim_segment(job_id, index, self._worker):
                        if claim.is_small:
                            outcome, following = run_small_attempt(claim, self._next_worker)
                        else:
                            outcome = self._begin_large_attempt(attempt, claim)
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

    def _begin_large_attempt(self, attempt: _Attempt, claim: Claim) -> AttemptOutcome | None:
        """Compute a large segment. None: another thread stores it, and ends the attempt and its span."""
        computed = compute_segment(claim)
        if isinstance(computed, AttemptOutcome):
            return computed
        return run_step(claim, partial(self._begin_to_store, attempt, claim, computed))

    def _begin_to_store(self, attempt: _Attempt, claim: Claim, computed: ComputedSegment) -> None:
        self._wait_until_stored()
        self._storing = storing_threads(os.getpid()).submit(self._store, attempt, claim, computed)

    def _store(self, attempt: _Attempt, claim: Claim, computed: ComputedSegment) -> None:
        """Store and complete a large segment, in another thread."""
        try:
            with tracing.in_span(attempt.span):
                self._record(attempt, complete_segment(claim, computed))
        finally:
            attempt.span.end()

    def _claim_next(self, claim: Claim) -> Claim | None:
        """Claim the next large segment while this one is being stored. None: the batch ends.

        One that has lost a worker before is stored alone: it may have shared that worker with one that kills workers.
        """
        if claim.attempt > 1 or not self._is_open():
            return None
        return recorder().claim_next_segment(claim, self._queue, self._worker)

    def _wait_until_stored(self) -> None:
        """Wait for the segment before."""
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

    def _next_worker(self) -> str | None:
        """The worker that claims a segment after this small one. None: the batch ends."""
        return self._worker if self._is_open() else None

    def _is_open(self) -> bool:
        elapsed = time.perf_counter() - self._started
        return self._attempts < MAX_SEGMENTS and elapsed < MAX_SECONDS[self._queue] and not termination.is_terminated()


@cache
def storing_threads(_pid: int) -> ThreadPoolExecutor:
    """The threads of this process that store large segments: one, unless its pool runs several tasks."""
    return ThreadPoolExecutor(thread_name_prefix="storing")
