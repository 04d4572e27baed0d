"""Worker side of the job record: every change a running job makes to itself.

Sync, because Celery is. Each method is one transition and one event, written atomically by a script, so a query and
a subscriber can never disagree. A worker that lost its segment to another is refused by the fencing token, which
rises with each claim. Creating and cancelling belong to store.
"""

from __future__ import annotations

import threading
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Self

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from tasks.instrumentation import metrics, tracing
from tasks.jobs import SEGMENT_PRIMES, segment_length
from tasks.storage import records
from tasks.worker import watchdog

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tasks.jobs import FailureReason, Job, LostAttempt
    from tasks.settings import JobSettings

# Long enough for a store that restarts; past it the lease runs out and the segment is given to somebody else.
RESTART_RETRIES = 8

# A message that nobody has claimed although its list is empty was lost; a live worker claims within milliseconds.
_UNCLAIMED_GRACE = timedelta(seconds=2)

# So long a process may go on with a segment that is no longer its own: what it does is refused.
_REFUSED_SECONDS = 10.0

# Segments that one look of the reconciler may send again: bounds the time for which the script holds the server.
_RECONCILE_LIMIT = 100


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to compute one segment until the lease runs out: `length` primes from rank `index * 2^20` on.

    The first of them is at `rank` in the sequence that begins at `floor`: behind the nearest segment that is done, or
    at the `start` of the job, which may be far away. `count` is the whole job's. `result_id` names its files
    in the result store; None: its primes are stored with the record.
    """

    job_id: str
    index: int
    token: int
    start: int
    floor: int
    rank: int
    length: int
    attempt: int
    count: int
    result_id: str | None


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What one look of the reconciler found and did."""

    expired: int = 0
    resent: int = 0
    lost: tuple[LostAttempt, ...] = ()
    ended: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class SegmentResult:
    """What a computed segment is remembered by.

    Args:
        first: its first prime.
        last: its last prime.
        sha256: of all primes of the job; None where it is not known from this segment alone.
        deltas: its primes delta-coded, of a job without files.
    """

    first: int
    last: int
    sha256: str | None = None
    deltas: bytes = b""


class Finish(Enum):
    """What became of the end of a segment."""

    DONE = "done"
    LATE = "late"
    # All is there but the checksum of the whole: to be brought with the same segment again.
    UNSEALED = "unsealed"


class JobRecorder:
    """The worker's hand on the record."""

    def __init__(self, client: redis.Redis, settings: JobSettings) -> None:
        self._settings = settings
        self._scripts = {
            name: client.register_script(records.script_text(name))
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
        """A recorder with connections of its own, opened when first needed: safe to create before a fork."""
        client = redis.Redis.from_url(
            settings.broker_url,
            socket_timeout=5,
            socket_connect_timeout=1,
            socket_keepalive=True,
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries=retries),
        )
        return cls(client, settings)

    def claim(self, job_id: str, index: int, worker: str = "") -> Claim | None:
        """Take a segment for a worker. None: the job is final, the segment done, or somebody else is at it."""
        nonce = uuid.uuid4().hex
        limits = {"lease_ms": self._lease_ms, "time_limit_ms": self._time_limit_ms}
        reply = self._run("claim_segment", b"", job=job_id, index=index, claim=nonce, worker=worker, **limits)
        claim, lost, ended = reply
        for attempt_lost in records.parse_lost(lost):
            tracing.emit_lost_attempt_span(attempt_lost)
        _tell_ended(ended)
        if claim is None:
            return None
        token, count, start, attempt, waited_ms = (int(value) for value in claim[:5])
        result_id, near, last = claim[5].decode() or None, int(claim[6]), claim[7].decode()
        floor = int(last) + 1 if last else start
        if waited_ms >= 0:
            metrics.JOB_QUEUE_DURATION.record(waited_ms / 1000, {"job.queue": records.queue_for(count)})
        rank, length = (index - near - 1) * SEGMENT_PRIMES, segment_length(count, index)
        return Claim(job_id, index, token, start, floor, rank, length, attempt, count, result_id)

    def extend(self, claim: Claim) -> bool:
        """Heartbeat. False: the segment is no longer this worker's."""
        return self._run_fenced("extend_lease", claim, lease_ms=self._lease_ms) is not None

    def finish(self, claim: Claim, result: SegmentResult) -> Finish:
        """The segment is computed and kept. Unless this is DONE, nothing was written."""
        facts = {"first": str(result.first), "last": str(result.last), "sha256": result.sha256}
        ended = self._run_fenced("complete_segment", claim, result.deltas, length=claim.length, **facts)
        if ended == b"seal":
            return Finish.UNSEALED
        return Finish.DONE if _tell_ended(ended) else Finish.LATE

    def fail(self, claim: Claim, reason: FailureReason, message: str) -> bool:
        """The segment can't be computed, now or later. False: too late, nothing was written."""
        return _tell_ended(self._run_fenced("fail_job", claim, reason=reason.value, text=message))

    @contextmanager
    def extending_lease(self, claim: Claim) -> Iterator[None]:
        """Extend the lease three times in its length while the block runs, from a thread of its own.

        A block that goes on though the segment is no longer this worker's hangs: its process is killed, for the worker
        to start another. Celery's own time limits keep a timer for each task until the limit has passed, used or not.
        """
        stopped = threading.Event()

        def beat() -> None:
            while not stopped.wait(self._settings.lease_seconds / 3):
                try:
                    if not self.extend(claim):
                        if not stopped.wait(_REFUSED_SECONDS):
                            watchdog.kill_this_process(f"hangs in segment {claim.index} of job {claim.job_id}")
                        return
                except redis.RedisError:
                    # The next beat may get through; if none does, the lease runs out, as it should.
                    continue

        thread = threading.Thread(target=beat, name=f"lease of {claim.job_id}:{claim.index}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()

    def reconcile(self) -> Reconciled:
        """Send lost segments again, and end the jobs that have no attempt or no time left."""
        expired, resent, lost, ended = self._run(
            "rescue_segments",
            queues=records.QUEUES,
            grace_ms=_UNCLAIMED_GRACE // timedelta(milliseconds=1),
            time_limit_ms=self._time_limit_ms,
            limit=_RECONCILE_LIMIT,
        )
        return Reconciled(expired, resent, records.parse_lost(lost), _parse_ended(ended))

    def release_segments(self, worker: str) -> int:
        """Give the segments that a worker still has to others, because it ends now. Returns how many they were."""
        handed: int = self._run("release_segments", worker=worker)
        return handed

    def seen(self, worker: str, concurrency: int) -> int:
        """Tell that this worker process is consuming. Returns how many messages wait for any."""
        ttl_ms = records.WORKER_TTL // timedelta(milliseconds=1)
        told = f"{worker} {concurrency}"
        waiting: int = self._run("worker_heartbeat", worker=told, worker_ttl_ms=ttl_ms, queues=records.QUEUES)
        return waiting

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
        packed = records.script_arguments(self._settings, arguments)
        with tracing.script_span(script):
            return self._scripts[script](keys=[self._settings.key_prefix], args=[packed, blob])


def _parse_ended(reply: Iterable[Any]) -> tuple[Job, ...]:
    return tuple(records.parse_job(snapshot) for snapshot in reply)


def _tell_ended(reply: Iterable[Any] | None) -> bool:
    """Telemetry of the jobs that a write ended. False: it was refused."""
    for job in _parse_ended(reply or ()):
        metrics.record_ended(job, records.queue_for(job.count))
        tracing.emit_job_span(job)
    return reply is not None
