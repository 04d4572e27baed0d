"""The segments that one task computes: how many, their telemetry and their log lines.

tasks.worker.small_batch and tasks.worker.large_batch say how the segments of each queue are computed.
"""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from celery.utils.log import get_task_logger

from tasks.instrumentation import metrics, tracing
from tasks.worker import termination
from tasks.worker.attempt import AttemptOutcome, log_fields
from tasks.worker.shutdown import release_segments
from tasks.worker.termination import Interrupted

if TYPE_CHECKING:
    from collections import Counter

    from opentelemetry.trace import Span

log = get_task_logger(__name__)

# Bound of one task. A message costs Celery about as much as a small segment costs in all, and the last large one of a
# task is stored while nothing is computed: shared by this number of segments, it no longer matters.
MAX_SEGMENTS = 50


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt at a segment, its span, and when it started."""

    job_id: str
    index: int
    span: Span
    started: float


class Batch(ABC):
    """The segments that one task computes.

    Between two tasks the worker takes messages in the order of its queues again, and ends if it was stopped. So a task
    ends after a part of a second, and both wait little longer than for one segment.
    """

    queue: ClassVar[str]
    max_seconds: ClassVar[float]

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._started = time.perf_counter()
        self._attempts = 0

    def run(self, job_id: str, index: int, traceparent: str | None) -> None:
        """Compute the segment of a message, and those that follow it."""
        try:
            self._run(job_id, index, traceparent)
        except Interrupted:
            # Also a segment that is being stored. If it is not completed by now, it is fenced.
            release_segments(self._worker)

    @abstractmethod
    def _run(self, job_id: str, index: int, traceparent: str | None) -> None:
        """Compute all segments."""

    def _begin(self, job_id: str, index: int, traceparent: str | None) -> Attempt:
        """Begin an attempt. The caller ends its span."""
        self._attempts += 1
        span = tracing.start_process_span(traceparent, self.queue, job_id, index)
        return Attempt(job_id, index, span, time.perf_counter())

    def _remaining(self) -> int:
        """How many more segments this task may compute."""
        if time.perf_counter() - self._started >= self.max_seconds or termination.is_terminated():
            return 0
        return MAX_SEGMENTS - self._attempts


def record(attempt: Attempt, queue: str, outcome: AttemptOutcome) -> float:
    """Record telemetry of an attempt at its end. Returns its seconds."""
    seconds = time.perf_counter() - attempt.started
    attempt.span.set_attribute("task.outcome", outcome)
    metrics.PROCESS_DURATION.record(seconds, {"messaging.destination.name": queue, "task.outcome": outcome})
    return seconds


def log_attempt(attempt: Attempt, outcome: AttemptOutcome, seconds: float, level: int = logging.INFO) -> None:
    """Log the end of an attempt, in its trace."""
    if log.isEnabledFor(level):
        ids = (attempt.job_id, attempt.index)
        with tracing.in_span(attempt.span):
            log.log(level, "Job %s segment %d: %s in %.3f s", *ids, outcome, seconds, extra=log_fields(*ids))


def log_batch(queue: str, outcomes: Counter[AttemptOutcome], seconds: float) -> None:
    """Log one line for several attempts."""
    counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.items())
    log.info("Queue %s: %d segments in %.3f s: %s", queue, outcomes.total(), seconds, counts)
