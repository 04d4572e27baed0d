"""Small segments: a process holds several, and completes them with one write to the store.

A call to the store costs more than to compute ten primes. So each completed segment claims up to two next ones while
they are quick to compute, and all that are held are completed together. A lone job is completed at once. One that has
lost a worker, and may be what kills workers, is always the first of a task: no other is held with it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from redis.exceptions import RedisError

from tasks.instrumentation import tracing
from tasks.storage.messages import SMALL_QUEUE
from tasks.worker.attempt import (
    AttemptEnded,
    AttemptOutcome,
    compute_segment,
    end_after_error,
    outcome_of,
    recorder,
)
from tasks.worker.batch import Attempt, Batch, log_attempt, log_batch, record
from tasks.worker.job_recorder import Completion
from tasks.worker.termination import Interrupted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.storage.worker_scripts import Claim

# Most segments that a process holds at a time. A killed process loses an attempt at each. Only the lease of the one
# that is computed is extended: if it hangs, the others go to other workers when theirs expire.
MAX_HELD = 4

# Seconds of computing from which fewer segments are held: other workers may be free, and those that are computed wait.
_MAX_HELD_SECONDS = 0.005


class SmallBatch(Batch):
    """Segments of the small queue."""

    queue = SMALL_QUEUE
    max_seconds = 0.1

    def __init__(self, worker: str) -> None:
        super().__init__(worker)
        self._ended: list[tuple[Attempt, AttemptOutcome, float]] = []

    def run(self, job_id: str, index: int, traceparent: str | None) -> None:
        """Compute the segment of a message, and those that follow it. Logs one line for all."""
        super().run(job_id, index, traceparent)
        is_single = len(self._ended) == 1
        for attempt, outcome, seconds in self._ended:
            log_attempt(attempt, outcome, seconds, logging.INFO if is_single else logging.DEBUG)
        if len(self._ended) > 1:
            outcomes = Counter(outcome for _, outcome, _ in self._ended)
            log_batch(self.queue, outcomes, time.perf_counter() - self._started)

    def _run(self, job_id: str, index: int, traceparent: str | None) -> None:
        attempt = self._begin(job_id, index, traceparent)
        try:
            with tracing.in_span(attempt.span):
                claim = recorder().claim_segment(job_id, index, self._worker)
        except BaseException:
            attempt.span.end()
            raise
        if claim is None:
            self._end(attempt, AttemptOutcome.STALE)
            return
        held = self._complete([claim], attempt)
        while held:
            held = self._complete(held)

    def _complete(self, claims: Sequence[Claim], begun: Attempt | None = None) -> list[Claim]:
        """Compute segments and complete them together. Returns the claims of next ones.

        Args:
            claims: of the segments.
            begun: the attempt at the first one, if it has begun.
        """
        started = time.perf_counter()
        computed: list[tuple[Attempt, Completion]] = []
        try:
            for claim in claims:
                attempt = begun or self._begin(claim.job_id, claim.index, claim.traceparent)
                begun = None
                if (completion := self._compute(attempt, claim)) is not None:
                    computed.append((attempt, completion))
            if not computed:
                return []
            limit = self._limit(len(claims), time.perf_counter() - started)
            completions = [completion for _, completion in computed]
            outcomes, following = recorder().complete_and_claim_next(completions, self._worker, limit)
        except Interrupted:
            for attempt, _ in computed:
                self._end(attempt, AttemptOutcome.RELEASED)
            raise
        for (attempt, completion), outcome in zip(computed, outcomes, strict=True):
            if isinstance(outcome, RedisError):
                self._end(attempt, end_after_error(completion.claim, outcome))
            else:
                self._end(attempt, outcome_of(completion.claim, is_completed=outcome))
        return following

    def _compute(self, attempt: Attempt, claim: Claim) -> Completion | None:
        """Compute a segment. None: that failed, and the attempt has ended."""
        with tracing.in_span(attempt.span):
            try:
                return Completion(claim, compute_segment(claim).result, attempt.span)
            except AttemptEnded as ended:
                self._end(attempt, ended.outcome)
            except Interrupted:
                self._end(attempt, AttemptOutcome.RELEASED)
                raise
        return None

    def _limit(self, held: int, seconds: float) -> int:
        """How many segments to hold next, after this number was computed in this time."""
        wanted = 2 * held if seconds < _MAX_HELD_SECONDS else held // 2
        return min(max(1, wanted), MAX_HELD, self._remaining())

    def _end(self, attempt: Attempt, outcome: AttemptOutcome) -> None:
        """Record telemetry of an attempt, and end it."""
        self._ended.append((attempt, outcome, record(attempt, self.queue, outcome)))
        attempt.span.end()
