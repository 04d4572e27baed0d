"""The Celery task: compute one segment of a job, and after a small one those that are due next."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from celery import shared_task
from celery.utils.log import get_task_logger

from tasks.instrumentation import metrics, tracing
from tasks.storage.messages import SEGMENT_TASK
from tasks.worker import termination
from tasks.worker.attempt import AttemptOutcome, recorder, run_attempt
from tasks.worker.shutdown import release_segments
from tasks.worker.termination import Interrupted

if TYPE_CHECKING:
    from celery import Task

    from tasks.storage.worker_scripts import Claim

log = get_task_logger(__name__)

# Bounds of one task, in segments and in seconds. A message costs Celery about as much as a small segment costs in all:
# shared by this number of segments, it no longer matters. Between two tasks the worker takes messages in the order of
# its queues again, and ends if it was stopped, so that both wait little longer than for one segment.
MAX_SEGMENTS = 50
MAX_SECONDS = 0.1


@shared_task(name=SEGMENT_TASK, bind=True)
def generate_segment(self: Task[..., None], job_id: str, index: int) -> None:
    """Compute one segment, then small ones. Safe to run twice: a stale claim or a late write is refused."""
    queue = str((self.request.delivery_info or {}).get("routing_key"))
    with termination.postponed():
        Batch(queue, self.request.hostname or "").run(job_id, index, self.request.get("traceparent"))


class Batch:
    """The segments that one task computes, one after the other.

    Completing a small segment claims the next one in the same script call, which also takes its message from the queue.
    """

    def __init__(self, queue: str, worker: str) -> None:
        self._queue = queue
        self._worker = worker
        self._started = time.perf_counter()
        self._outcomes: Counter[AttemptOutcome] = Counter()

    def run(self, job_id: str, index: int, traceparent: str | None) -> None:
        """Compute the segment of a message, and those that follow it."""
        following = self._run_attempt(job_id, index, traceparent)
        while following is not None:
            following = self._run_attempt(following.job_id, following.index, following.traceparent, following)
        self._log_end()

    def _run_attempt(
        self, job_id: str, index: int, traceparent: str | None, claim: Claim | None = None
    ) -> Claim | None:
        """Run one attempt in the trace of its job. Without a claim, claim the segment first. Returns the next claim."""
        with tracing.process_span(traceparent, self._queue, job_id, index) as span:
            started = time.perf_counter()
            outcome, following = AttemptOutcome.STALE, None
            try:
                if claim := claim or recorder().claim_segment(job_id, index, self._worker):
                    outcome, following = run_attempt(claim, self._next_for)
            except Interrupted:
                release_segments(self._worker)
                outcome = AttemptOutcome.RELEASED
            seconds = time.perf_counter() - started
            span.set_attribute("task.outcome", outcome)
            attributes = {"messaging.destination.name": self._queue, "task.outcome": outcome}
            metrics.PROCESS_DURATION.record(seconds, attributes)
            self._outcomes[outcome] += 1
            level = logging.INFO if following is None and self._outcomes.total() == 1 else logging.DEBUG
            log.log(level, "Job %s segment %d: %s in %.3f s", job_id, index, outcome, seconds, extra={"job_id": job_id})
        return following

    def _log_end(self) -> None:
        """Log one line for all segments if there were several."""
        if (total := self._outcomes.total()) > 1:
            counts = ", ".join(f"{count} {outcome}" for outcome, count in self._outcomes.items())
            seconds = time.perf_counter() - self._started
            log.info("Queue %s: %d segments in %.3f s: %s", self._queue, total, seconds, counts)

    def _next_for(self, claim: Claim) -> str | None:
        """The worker that claims a segment after this one. None: the batch ends."""
        elapsed = time.perf_counter() - self._started
        is_open = claim.is_small and self._outcomes.total() + 1 < MAX_SEGMENTS and elapsed < MAX_SECONDS
        return self._worker if is_open and not termination.is_terminated() else None
