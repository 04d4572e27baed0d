"""The task: compute one segment of a job. Runs in a worker's child process, many times over."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from celery.utils.log import get_task_logger

from tasks import deltas, engine
from tasks.celery import app, settings
from tasks.jobs import SEGMENT_PRIMES, FailureReason
from tasks.recorder import Recorder, SegmentResult
from tasks.records import SEGMENT_TASK

if TYPE_CHECKING:
    from tasks.recorder import Claim

log = get_task_logger(__name__)


@app.task(name=SEGMENT_TASK)
def generate_segment(job_id: str, index: int) -> None:
    """Compute one segment of a job. Safe to run twice: a stale claim or a late write is refused."""
    if (claim := recorder().claim(job_id, index)) is None:
        return
    try:
        with recorder().beating(claim):
            result = compute(claim)
    except Exception:
        # A defect, not an outage: the same arguments would fail again. The traceback stays in the log.
        log.exception("job %s segment %d: computing failed", job_id, index)
        recorder().fail(claim, FailureReason.INTERNAL, f"segment {index} could not be computed")
        return
    if not recorder().finish(claim, result):
        log.warning("job %s segment %d: attempt %d came too late", job_id, index, claim.attempt)


def compute(claim: Claim) -> SegmentResult:
    """The primes of a claimed segment."""
    primes = engine.primes_from(engine.segment_start(claim.start, claim.index * SEGMENT_PRIMES), claim.length)
    return SegmentResult(
        deltas=deltas.pack(primes), first=int(primes[0]), last=int(primes[-1]), sha256=deltas.sha256(primes)
    )


@cache
def recorder() -> Recorder:
    """This process's recorder: made after the fork, at the first task."""
    return Recorder.connect(settings)
