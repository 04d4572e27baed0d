"""The task: compute one segment of a job. Runs in a worker's child process, many times over."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import redis
from celery.utils.log import get_task_logger

from tasks import engine
from tasks.celery import app, settings
from tasks.errors import ResultStoreUnavailable
from tasks.instrumentation import metrics, tracing
from tasks.jobs import FailureReason
from tasks.results import delta_codec
from tasks.results.writer import SegmentWriter
from tasks.storage.records import SEGMENT_TASK
from tasks.worker.job_recorder import Finish, JobRecorder, SegmentResult

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from celery import Task

    from tasks.worker.job_recorder import Claim

log = get_task_logger(__name__)

# Between the tries to keep a segment. The lease is extended meanwhile.
_PUT_AGAIN_SECONDS = (0.2, 1.0)


@app.task(name=SEGMENT_TASK, bind=True)
def generate_segment(self: Task[..., None], job_id: str, index: int) -> None:
    """Compute one segment of a job. Safe to run twice: a stale claim or a late write is refused."""
    queue = str((self.request.delivery_info or {}).get("routing_key"))
    with tracing.process_span(self.request.get("traceparent"), queue, job_id, index) as span:
        started = time.perf_counter()
        outcome = attempt(job_id, index, self.request.hostname or "")
        seconds = time.perf_counter() - started
        span.set_attribute("task.outcome", outcome)
        metrics.PROCESS_DURATION.record(seconds, {"messaging.destination.name": queue, "task.outcome": outcome})
        log.info("job %s segment %d: %s in %.3f s", job_id, index, outcome, seconds, extra={"job_id": job_id})


def attempt(job_id: str, index: int, worker: str) -> str:
    """Claim, compute and finish. Returns what became of it: done, stale, late, left or failed."""
    if (claim := recorder().claim(job_id, index, worker)) is None:
        return "stale"
    try:
        with recorder().extending_lease(claim):
            finish = keep(claim, compute(claim))
    except ResultStoreUnavailable as error:
        message = "job %s segment %d: the primes could not be kept"
        log.exception(message, job_id, index, extra={"job_id": job_id})
        recorder().fail(claim, FailureReason.RESULT_STORE, f"segment {index} could not be kept: {error}")
        return "failed"
    except redis.RedisError:
        # No reason to fail, and should the store be back meanwhile, it is not told so. The lease runs out, and the
        # segment is given to another.
        log.exception("job %s segment %d: the job store does not answer", job_id, index, extra={"job_id": job_id})
        return "left"
    except Exception:
        # A defect, not an outage: the same arguments would fail again. The traceback stays in the log.
        log.exception("job %s segment %d: computing failed", job_id, index, extra={"job_id": job_id})
        recorder().fail(claim, FailureReason.INTERNAL, f"segment {index} could not be computed")
        return "failed"
    if finish is Finish.LATE:
        late = "job %s segment %d: attempt %d came too late"
        log.warning(late, job_id, index, claim.attempt, extra={"job_id": job_id})
        return "late"
    metrics.PRIMES_COMPUTED.add(claim.length)
    return "done"


def compute(claim: Claim) -> npt.NDArray[np.uint64]:
    """The primes of a claimed segment."""
    with tracing.step_span("compute"):
        started = time.perf_counter()
        primes = engine.primes_from(engine.segment_start(claim.floor, claim.rank), claim.length)
        elapsed_ms = (time.perf_counter() - started) * 1000
        metrics.TASK_DURATION.record(elapsed_ms, {"prime.size_class": metrics.size_class(claim.length)})
    return primes


def keep(claim: Claim, primes: npt.NDArray[np.uint64]) -> Finish:
    """Keep the primes, then say so; whoever keeps the last ones of a job brings the checksum of all.

    Raises:
        ResultStoreUnavailable: they can't be kept, or not all of them can be read again.
    """
    is_whole = claim.length == claim.count
    result = SegmentResult(int(primes[0]), int(primes[-1]), delta_codec.sha256(primes) if is_whole else None)
    if claim.result_id is None:
        result = replace(result, deltas=delta_codec.encode(primes))
        metrics.BYTES_STORED.add(len(result.deltas))
    else:
        metrics.BYTES_STORED.add(put(claim.result_id, claim.index, primes))
    finish = recorder().finish(claim, result)
    if finish is Finish.UNSEALED and claim.result_id is not None:
        with tracing.step_span("seal"):
            result = replace(result, sha256=writer().sha256(claim.result_id, claim.count))
        finish = recorder().finish(claim, result)
    return finish


def put(result_id: str, index: int, primes: npt.NDArray[np.uint64]) -> int:
    """Keep a segment's file, through the short outages that a store over a network has. Returns its size in bytes.

    Raises:
        ResultStoreUnavailable: the last of some tries has failed too.
    """
    for pause in (*_PUT_AGAIN_SECONDS, None):
        try:
            with tracing.step_span("keep"):
                return writer().put_segment(result_id, index, primes)
        except ResultStoreUnavailable:
            if pause is None:
                raise
            time.sleep(pause)
    raise AssertionError


@cache
def recorder() -> JobRecorder:
    """This process's recorder: made after the fork, at the first task."""
    return JobRecorder.connect(settings)


@cache
def writer() -> SegmentWriter:
    """Likewise this process's hand on the result store, which would not survive a fork.

    Raises:
        ResultStoreUnavailable: there is no such store, or its folder can't be made.
    """
    try:
        return SegmentWriter.connect(settings.results)
    except ValueError as error:
        raise ResultStoreUnavailable("the result store can't be used") from error
