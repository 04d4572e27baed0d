"""One attempt at one claimed segment: compute it, then store and complete it.

Each is a step, which extends the lease of the segment meanwhile. A step that fails ends the attempt with an outcome.
tasks.worker.small_batch and tasks.worker.large_batch claim the segments, and say when each step runs.
"""

from __future__ import annotations

import errno
import time
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

import redis
from celery import current_app
from celery.utils.log import get_task_logger

from tasks import engine
from tasks.errors import ResultStoreUnavailable
from tasks.instrumentation import metrics, tracing
from tasks.jobs import FailureReason
from tasks.results import delta_codec
from tasks.results.writer import SegmentWriter, encode_in_background
from tasks.storage.messages import SEGMENT_TASK
from tasks.worker import termination
from tasks.worker.job_recorder import JobRecorder, SegmentResult
from tasks.worker.lease import LeaseExtender

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    import numpy as np
    import numpy.typing as npt

    from tasks.storage.worker_scripts import Claim

log = get_task_logger(__name__)


class AttemptOutcome(StrEnum):
    """How an attempt at a segment ended. Values of the attribute `task.outcome`."""

    DONE = "done"
    # Nothing to do: the job is final, or the segment is completed or leased to another worker.
    STALE = "stale"
    # The segment went to another worker, or its job ended, while this worker computed it.
    FENCED = "fenced"
    # The job store is unavailable, or the machine has no more resources: another attempt starts later.
    ABANDONED = "abandoned"
    # This process was terminated: another worker can claim the segment at once.
    RELEASED = "released"
    # Another attempt would fail too, so the job has failed.
    FAILED = "failed"


class AttemptEnded(Exception):
    """A step has failed, which is logged and recorded: nothing is left to do for the attempt."""

    def __init__(self, outcome: AttemptOutcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class ComputedSegment:
    """A segment that is computed and not yet stored.

    Args:
        result: what completes it.
        file: its file, which another thread may still encode; None: the job record will hold the primes.
    """

    result: SegmentResult
    file: Future[bytes] | None


def compute_segment(claim: Claim) -> ComputedSegment:
    """Compute a claimed segment, and begin to encode it.

    Raises:
        AttemptEnded: that failed.
    """
    with step(claim), termination.interruptible():
        return encode(claim, compute(claim))


def store_and_complete(claim: Claim, computed: ComputedSegment) -> AttemptOutcome:
    """Store and complete a computed segment, in any thread.

    Raises:
        AttemptEnded: that failed.
    """
    with step(claim):
        if claim.result_id is not None and computed.file is not None:
            store_file(claim.result_id, claim.index, computed.file)
        is_completed = recorder().complete_segment(claim, computed.result)
    return outcome_of(claim, is_completed=is_completed)


def outcome_of(claim: Claim, *, is_completed: bool) -> AttemptOutcome:
    """The outcome of an attempt whose segment was completed, or refused."""
    if not is_completed:
        text = "Job %s segment %d: attempt %d fenced, its result was discarded"
        log.warning(text, claim.job_id, claim.index, claim.attempt, extra=log_fields(claim.job_id, claim.index))
        return AttemptOutcome.FENCED
    metrics.PRIMES_COMPUTED.add(claim.length)
    return AttemptOutcome.DONE


@contextmanager
def step(claim: Claim) -> Iterator[None]:
    """The block is a step of an attempt: its lease is extended meanwhile.

    Raises:
        AttemptEnded: the block failed.
    """
    try:
        with lease_extender().extending(claim):
            yield
    except Exception as error:
        raise AttemptEnded(end_after_error(claim, error)) from error


def end_after_error(claim: Claim, error: Exception) -> AttemptOutcome:
    """End an attempt after an error. Its job fails if another attempt would fail too."""
    failure: tuple[FailureReason, str] | None = None
    match error:
        case ResultStoreUnavailable():
            text = "Job %s failed: storing segment %d failed"
            failure = FailureReason.RESULT_STORE, f"segment {claim.index} could not be stored: {error}"
        case redis.RedisError():
            # The lease expires, and another attempt starts when the store is back.
            text = "Job %s segment %d abandoned: job store unavailable"
        case _ if _is_of_machine(error):
            # The lease expires, and another attempt starts, perhaps elsewhere.
            text = "Job %s segment %d abandoned: this machine has no more threads, memory or files"
        case _:
            # A bug, not an outage: the same arguments would fail again. The traceback stays in the log.
            text = "Job %s failed: computing segment %d failed"
            failure = FailureReason.INTERNAL, f"segment {claim.index} could not be computed"
    ids = (claim.job_id, claim.index)
    log.error(text, *ids, exc_info=error, extra=log_fields(*ids))
    if failure is None:
        return AttemptOutcome.ABANDONED
    recorder().fail_job(claim, *failure)
    return AttemptOutcome.FAILED


def _is_of_machine(error: Exception) -> bool:
    """Whether an attempt failed for lack of a resource of this machine, which says nothing about the job."""
    match error:
        case MemoryError():
            return True
        case OSError():
            return error.errno in {errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE}
        # Python has no separate class for EAGAIN at the start of a thread.
        case RuntimeError():
            return str(error) == "can't start new thread"
    return False


def compute(claim: Claim) -> npt.NDArray[np.uint64]:
    """The primes of a claimed segment."""
    with tracing.step_span("compute"):
        started = time.perf_counter()
        start = engine.segment_start(claim.base, claim.rank_from_base) if claim.rank_from_base else claim.base
        primes = engine.primes_from(start, claim.length)
        elapsed_ms = (time.perf_counter() - started) * 1000
        metrics.TASK_DURATION.record(elapsed_ms, {"prime.size_class": metrics.size_class(claim.length)})
    return primes


def encode(claim: Claim, primes: npt.NDArray[np.uint64]) -> ComputedSegment:
    """Encode the primes of a claimed segment for the job record, or begin to encode their file."""
    first, last = int(primes[0]), int(primes[-1])
    if claim.result_id is None:
        deltas = delta_codec.encode(primes)
        metrics.BYTES_STORED.add(len(deltas))
        return ComputedSegment(SegmentResult(first, last, delta_codec.sha256(primes), deltas), None)
    file = encode_in_background(primes)
    return ComputedSegment(SegmentResult(first, last, delta_codec.sha256(primes)), file)


def store_file(result_id: str, index: int, encoding: Future[bytes]) -> None:
    """Store a segment's file.

    Raises:
        ResultStoreUnavailable: all attempts failed.
    """
    with tracing.step_span("store"):
        file = encoding.result()
        writer().put_segment(result_id, index, file)
    metrics.BYTES_STORED.add(len(file))


@cache
def recorder() -> JobRecorder:
    """This process's recorder, created at the first task: connections must not be shared across a fork."""
    return JobRecorder.connect(current_app.conf.job_settings)


@cache
def lease_extender() -> LeaseExtender:
    """This process's lease extender. Threads do not survive a fork."""
    extender = LeaseExtender(recorder())
    extender.start()
    return extender


@cache
def writer() -> SegmentWriter:
    """This process's result store writer, created after the fork for the same reason.

    Raises:
        ResultStoreUnavailable: there is no such store, or its folder cannot be created.
    """
    try:
        return SegmentWriter.connect(current_app.conf.job_settings.result_store_url)
    except ValueError as error:
        raise ResultStoreUnavailable("the result store can't be used") from error


def log_fields(job_id: str, index: int) -> dict[str, str]:
    """Fields of a log line about a segment. Celery's formatter knows a task only in the thread that runs it."""
    return {"job_id": job_id, "task_name": SEGMENT_TASK, "task_id": f"{job_id}:{index}"}
