"""Worker side of the job record: claiming, completing, failing and rescuing segments.

Sync, as Celery tasks are. Each method runs one script, which writes one transition and its event atomically. A worker
that has lost its segment is refused by the fencing token, which increases with each claim. Submitting and cancelling
jobs belong to tasks.api.job_store.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

from tasks.instrumentation import metrics, tracing
from tasks.jobs import SEGMENT_PRIMES, segment_length
from tasks.storage import messages, records, scripts
from tasks.storage.redis import sync_client

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis

    from tasks.jobs import FailureReason, Job, LostAttempt
    from tasks.settings import JobSettings

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
class Claim:
    """The right to compute one segment until the lease expires.

    Args:
        job_id: the job.
        index: zero-based index of the segment in the job.
        token: fencing token; only the highest one of a segment may write.
        start: the job's start.
        base: where to begin counting primes: after the nearest completed segment before this one, or `start`.
        rank_from_base: rank of the segment's first prime among the primes >= `base`.
        length: number of primes in the segment.
        attempt: 1 for the first attempt at this segment.
        count: number of primes in the whole job.
        result_id: id of the job's files in the result store; None: the primes are stored beside the record.
    """

    job_id: str
    index: int
    token: int
    start: int
    base: int
    rank_from_base: int
    length: int
    attempt: int
    count: int
    result_id: str | None


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one run of the reconciler found and did.

    Args:
        expired_leases: number of leases found expired.
        resent_segments: number of segments sent again.
        lost_attempts: the attempts whose leases had expired.
        ended_jobs: jobs that failed: no attempts left, or time limit exceeded.
    """

    expired_leases: int = 0
    resent_segments: int = 0
    lost_attempts: tuple[LostAttempt, ...] = ()
    ended_jobs: tuple[Job, ...] = ()


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
        self._scripts = {
            name: client.register_script(scripts.load_script(name))
            for name in (
                "claim_segment",
                "extend_lease",
                "complete_segment",
                "fail_job",
                "release_segments",
                "rescue_segments",
                "worker_heartbeat",
            )
        }

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
        nonce = uuid.uuid4().hex
        limits = {"lease_ms": self._lease_ms, "time_limit_ms": self._time_limit_ms}
        reply = self._run("claim_segment", b"", job=job_id, index=index, claim=nonce, worker=worker, **limits)
        claim, lost, ended = reply
        for attempt_lost in records.parse_lost_attempts(lost):
            tracing.emit_lost_attempt_span(attempt_lost)
        _record_ended(ended)
        if claim is None:
            return None
        token, count, start, attempt, waited_ms = (int(value) for value in claim[:5])
        result_id, nearest_completed, last_before = claim[5].decode() or None, int(claim[6]), claim[7].decode()
        if waited_ms >= 0:
            metrics.JOB_QUEUE_DURATION.record(waited_ms / 1000, {"job.queue": messages.queue_for(count)})
        return Claim(
            job_id=job_id,
            index=index,
            token=token,
            start=start,
            base=int(last_before) + 1 if last_before else start,
            rank_from_base=(index - nearest_completed - 1) * SEGMENT_PRIMES,
            length=segment_length(count, index),
            attempt=attempt,
            count=count,
            result_id=result_id,
        )

    def extend_lease(self, claim: Claim) -> bool:
        """Extend the lease. False: the segment is no longer this worker's."""
        return self._run_fenced("extend_lease", claim, lease_ms=self._lease_ms) is not None

    def complete_segment(self, claim: Claim, result: SegmentResult) -> bool:
        """Complete a segment whose primes are stored, and with the last one the job. False: fenced, nothing written."""
        facts = {"first": str(result.first), "last": str(result.last), "digest": result.digest}
        reply = self._run_fenced("complete_segment", claim, result.deltas, length=claim.length, **facts)
        return _record_ended(reply)

    def fail_job(self, claim: Claim, reason: FailureReason, message: str) -> bool:
        """Fail the job of a segment that another attempt could not compute either. False: fenced, nothing written."""
        return _record_ended(self._run_fenced("fail_job", claim, reason=reason.value, text=message))

    def reconcile(self) -> Reconciliation:
        """Send lost segments again, and fail jobs that have no attempts left or exceeded their time limit."""
        expired, resent, lost, ended = self._run(
            "rescue_segments",
            queues=messages.QUEUES,
            grace_ms=_UNCLAIMED_GRACE // timedelta(milliseconds=1),
            time_limit_ms=self._time_limit_ms,
            limit=_RECONCILE_LIMIT,
        )
        return Reconciliation(expired, resent, records.parse_lost_attempts(lost), _parse_jobs(ended))

    def release_segments(self, worker: str) -> int:
        """Release all segments that a worker has claimed, because it shuts down. Returns their number."""
        released: int = self._run("release_segments", worker=worker)
        return released

    def heartbeat(self, worker: str, concurrency: int) -> int:
        """Register this worker as consuming. Returns the number of queued messages."""
        registration = f"{worker} {concurrency}"
        ttl_ms = records.WORKER_TTL // timedelta(milliseconds=1)
        queued: int = self._run("worker_heartbeat", worker=registration, worker_ttl_ms=ttl_ms, queues=messages.QUEUES)
        return queued

    @property
    def _lease_ms(self) -> int:
        return self._settings.lease // timedelta(milliseconds=1)

    @property
    def _time_limit_ms(self) -> int:
        return self._settings.job_time_limit_seconds * 1000

    def _run_fenced(self, script: str, claim: Claim, blob: bytes = b"", **arguments: object) -> Any:  # noqa: ANN401
        fence = {"job": claim.job_id, "index": claim.index, "token": claim.token, "operation": script}
        return self._run(script, blob, **fence, **arguments)

    def _run(self, script: str, blob: bytes = b"", **arguments: object) -> Any:  # noqa: ANN401 - a script's reply
        packed = scripts.encode_arguments(self._settings, arguments)
        with tracing.script_span(script):
            return self._scripts[script](keys=[self._settings.key_prefix], args=[packed, blob])


def _parse_jobs(snapshots: Iterable[Any]) -> tuple[Job, ...]:
    return tuple(records.parse_job(snapshot) for snapshot in snapshots)


def _record_ended(snapshots: Iterable[Any] | None) -> bool:
    """Record telemetry of the jobs that a write ended. False: the write was fenced."""
    for job in _parse_jobs(snapshots or ()):
        metrics.record_job_duration(job, messages.queue_for(job.count))
        tracing.emit_job_span(job)
    return snapshots is not None
