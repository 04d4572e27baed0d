"""Worker side of the job record: claiming, completing, failing and rescuing segments.

Sync, as Celery tasks are. Each method runs one script, which writes one transition and its event atomically. A worker
that has lost its segment is refused by the fencing token, which increases with each claim. Submitting and cancelling
jobs belong to tasks.api.job_store.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from tasks.instrumentation import metrics, tracing
from tasks.storage import scripts
from tasks.storage.messages import queue_for
from tasks.storage.records import worker_member
from tasks.storage.redis import sync_client
from tasks.storage.worker_scripts import (
    ClaimNextSegment,
    ClaimSegment,
    CompleteSegment,
    ExtendLease,
    FailJob,
    ReleaseSegments,
    RescueSegments,
    WorkerHeartbeat,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis

    from tasks.jobs import FailureReason, Job
    from tasks.settings import JobSettings
    from tasks.storage.scripts import Script
    from tasks.storage.worker_scripts import Claim, ClaimReply, Reconciliation

R = TypeVar("R")

_SCRIPTS: tuple[type[Script[Any]], ...] = (
    ClaimNextSegment,
    ClaimSegment,
    ExtendLease,
    CompleteSegment,
    FailJob,
    ReleaseSegments,
    RescueSegments,
    WorkerHeartbeat,
)

# Enough for a store that restarts. After the last one the lease expires, and another worker gets the segment.
RESTART_RETRIES = 8

# A sent segment that is still unclaimed after this time while its queue is empty: its message was lost. A worker that
# takes a message claims the segment within milliseconds.
_UNCLAIMED_GRACE = timedelta(seconds=2)

# Segments per run of the reconciler: bounds the time for which its script blocks the server.
_RECONCILE_LIMIT = 100

_CONNECT_SECONDS = 1
_RESPONSE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What the job record stores of a computed segment.

    Args:
        first: its first prime.
        last: its last prime.
        digest: hex SHA-256 of its primes as little-endian unsigned 64-bit integers.
        deltas: the segment's primes, delta-coded; empty for jobs with files.
    """

    first: int
    last: int
    digest: str
    deltas: bytes = b""


class JobRecorder:
    """Runs the workers' scripts on the job store."""

    def __init__(self, client: redis.Redis, settings: JobSettings) -> None:
        self._settings = settings
        self._scripts = {script: client.register_script(scripts.load_script(script, settings)) for script in _SCRIPTS}

    @classmethod
    def connect(cls, settings: JobSettings, retries: int = RESTART_RETRIES) -> Self:
        """A recorder with its own connections, opened on first use: safe to create before a fork."""
        return cls(sync_client(settings, _CONNECT_SECONDS, _RESPONSE_SECONDS, retries), settings)

    @property
    def lease_seconds(self) -> float:
        """Seconds until a lease that is not extended expires."""
        return self._settings.lease_seconds

    def claim_segment(self, job_id: str, index: int, worker: str = "") -> Claim | None:
        """Claim a segment for a worker. None: the job is final, the segment completed, or leased to another worker."""
        return _record_claim(self._run(ClaimSegment(job=job_id, index=index, **self._claim_arguments(worker))))

    def claim_next_segment(self, held: Claim, queue: str, worker: str) -> Claim | None:
        """Claim the next segment of a queue while holding another one. None: the queue is empty, or has to wait."""
        arguments = self._claim_arguments(worker)
        return _record_claim(
            self._run(ClaimNextSegment(job=held.job_id, index=held.index, token=held.token, queue=queue, **arguments))
        )

    def extend_lease(self, claim: Claim) -> bool:
        """Extend the lease. False: the segment is no longer this worker's."""
        return self._run(ExtendLease(job=claim.job_id, index=claim.index, token=claim.token, lease_ms=self._lease_ms))

    def complete_segment(self, claim: Claim, result: SegmentResult) -> bool:
        """Complete a segment whose primes are stored, and with the last one the job. False: fenced, nothing written."""
        return self._complete(claim, result, {})[0]

    def complete_and_claim_next(self, claim: Claim, result: SegmentResult, worker: str) -> tuple[bool, Claim | None]:
        """As `complete_segment`, and claim the next segment from the queue of small jobs. None: the queue is empty."""
        return self._complete(claim, result, self._claim_arguments(worker))

    def fail_job(self, claim: Claim, reason: FailureReason, message: str) -> bool:
        """Fail the job of a segment that another attempt could not compute either. False: fenced, nothing written."""
        ended = self._run(FailJob(job=claim.job_id, index=claim.index, token=claim.token, reason=reason, text=message))
        _record_ended(ended or ())
        return ended is not None

    def reconcile(self) -> Reconciliation:
        """Send lost segments again, and fail jobs that have no attempts left or exceeded their time limit."""
        grace_ms = _UNCLAIMED_GRACE // timedelta(milliseconds=1)
        return self._run(RescueSegments(grace_ms=grace_ms, time_limit_ms=self._time_limit_ms, limit=_RECONCILE_LIMIT))

    def release_segments(self, worker: str) -> int:
        """Release all segments that a worker has claimed, because it shuts down. Returns their number."""
        return self._run(ReleaseSegments(worker=worker))

    def heartbeat(self, worker: str, concurrency: int) -> int:
        """Register this worker as consuming. Returns the number of queued messages."""
        return self._run(WorkerHeartbeat(worker=worker_member(worker, concurrency)))

    def _complete(
        self, claim: Claim, result: SegmentResult, claim_arguments: dict[str, Any]
    ) -> tuple[bool, Claim | None]:
        reply = self._run(
            CompleteSegment(
                job=claim.job_id,
                index=claim.index,
                token=claim.token,
                length=claim.length,
                first=str(result.first),
                last=str(result.last),
                digest=result.digest,
                deltas=result.deltas,
                **claim_arguments,
            )
        )
        return not reply.is_fenced, _record_claim(reply.following)

    def _claim_arguments(self, worker: str) -> dict[str, Any]:
        return {
            "nonce": uuid.uuid4().hex,
            "worker": worker,
            "lease_ms": self._lease_ms,
            "time_limit_ms": self._time_limit_ms,
        }

    @property
    def _lease_ms(self) -> int:
        return self._settings.lease // timedelta(milliseconds=1)

    @property
    def _time_limit_ms(self) -> int:
        return self._settings.job_time_limit_seconds * 1000

    def _run(self, script: Script[R]) -> R:
        with tracing.script_span(script.name):
            reply = self._scripts[type(script)](keys=[self._settings.key_prefix], args=script.encode())
        return script.parse(reply)


def _record_claim(reply: ClaimReply) -> Claim | None:
    """Record telemetry of a claim, and of what the script found meanwhile."""
    for lost in reply.lost_attempts:
        tracing.emit_lost_attempt_span(lost)
    _record_ended(reply.ended_jobs)
    claim = reply.claim
    if claim is not None and claim.waited_ms is not None:
        metrics.JOB_QUEUE_DURATION.record(claim.waited_ms / 1000, {"job.queue": queue_for(claim.count)})
    return claim


def _record_ended(jobs: Iterable[Job]) -> None:
    for job in jobs:
        metrics.record_job_duration(job, queue_for(job.count))
        tracing.emit_job_span(job)
