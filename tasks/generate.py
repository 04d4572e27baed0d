"""The task: compute one segment of a job. Runs in a worker's child process, many times over."""

from __future__ import annotations

import time
from functools import cache
from typing import TYPE_CHECKING

from celery.utils.log import get_task_logger

from tasks import deltas, engine, metrics, tracing
from tasks.celery import app, settings
from tasks.jobs import SEGMENT_PRIMES, FailureReason
from tasks.recorder import Recorder, SegmentResult
from tasks.records import SEGMENT_TASK

if TYPE_CHECKING:
    from celery import Task

    from tasks.recorder import Claim

log = get_task_logger(__name__)


@app.task(name=SEGMENT_TASK, bind=True)
def generate_segment(self: Task[..., None], job_id: str, index: int) -> None:
    """Compute one segment of a job. Safe to run twice: a stale claim or a late write is refused."""
    queue = str((self.request.delivery_info or {}).get("routing_key"))
    with tracing.processing(self.request.get("traceparent"), queue, job_id, index) as span:
        started = time.perf_counter()
        outcome = attempt(job_id, index)
        seconds = time.perf_counter() - started
        span.set_attribute("task.outcome", outcome)
        metrics.PROCESS_DURATION.record(seconds, {"messaging.destination.name": queue, "task.outcome": outcome})
        log.info("job %s segment %d: %s in %.3f s", job_id, index, outcome, seconds, extra={"job_id": job_id})


def attempt(job_id: str, index: int) -> str:
    """Claim, compute and finish. Returns what became of it: done, stale, late or failed."""
    if (claim := recorder().claim(job_id, index)) is None:
        return "stale"
    try:
        with recorder().beating(claim):
            result = compute(claim)
    except Exception:
        # A defect, not an outage: the same arguments would fail again. The traceback stays in the log.
        log.exception("job %s segment %d: computing failed", job_id, index, extra={"job_id": job_id})
        recorder().fail(claim, FailureReason.INTERNAL, f"segment {index} could not be computed")
        return "failed"
    if not recorder().finish(claim, result):
        late = "job %s segment %d: attempt %d came too late"
        log.warning(late, job_id, index, claim.attempt, extra={"job_id": job_id})
        return "late"
    metrics.PRIMES_COMPUTED.add(claim.length)
    metrics.BYTES_STORED.add(len(result.deltas))
    return "done"


def compute(claim: Claim) -> SegmentResult:
    """The primes of a claimed segment."""
    with tracing.computing():
        started = time.perf_counter()
        primes = engine.primes_from(engine.segment_start(claim.start, claim.index * SEGMENT_PRIMES), claim.length)
        elapsed_ms = (time.perf_counter() - started) * 1000
        metrics.TASK_DURATION.record(elapsed_ms, {"prime.size_class": metrics.size_class(claim.length)})
    return SegmentResult(
        deltas=deltas.pack(primes), first=int(primes[0]), last=int(primes[-1]), sha256=deltas.sha256(primes)
    )


@cache
def recorder() -> Recorder:
    """This process's recorder: made after the fork, at the first task."""
    return Recorder.connect(settings)
