"""Worker side of the job record: claiming, completing, failing and rescuing segments.

Sync, as Celery tasks are. Each method runs one script, which writes one transition and its event atomically. A worker
that has lost its segment is refused by the fencing token, which increases with each claim. Submitting and cancelling
jobs belong to tasks.api.job_store.
"""

from __future__ import annotations

import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeVar

import redis
from redis.exceptions import NoScriptError

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
    from collections.abc import Iterable, Sequence

    from opentelemetry.trace import Span

    from tasks.jobs import FailureReason, Job
    from tasks.settings import JobSettings
    from tasks.storage.scripts import Reply, Script
    from tasks.storage.worker_scripts import Claim, ClaimReply, CompletionReply, Reconciliation

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


class Completion(NamedTuple):
    """A segment that is computed and stored: its claim, what completes it, and the span of the attempt."""

    claim: Claim
    result: SegmentResult
    span: Span


class JobRecorder:
    """Runs the workers' scripts on the job store."""

    def __init__(self, client: redis.Redis, settings: JobSettings) -> None:
        self._client = client
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
        return _record_claim(
            self._run(ClaimSegment(job=job_id, index=index, nonce=_new_nonce(), **self._claim_arguments(worker)))
        )

    def claim_next_segment(self, held: Claim, queue: str, worker: str) -> Claim | None:
        """Claim the next segment of a queue while holding another one. None: the queue is empty, or has to wait."""
        arguments = {"queue": queue, "nonce": _new_nonce()} | self._claim_arguments(worker)
        return _record_claim(
            self._run(ClaimNextSegment(job=held.job_id, index=held.index, token=held.token, **arguments))
        )

    def extend_lease(self, claim: Claim) -> bool:
        """Extend the lease. False: the segment is no longer this worker's."""
        return self._run(ExtendLease(job=claim.job_id, index=claim.index, token=claim.token, lease_ms=self._lease_ms))

    def complete_segment(self, claim: Claim, result: SegmentResult) -> bool:
        """Complete a segment whose primes are stored, and with the last one the job. False: fenced, nothing written."""
        reply = self._run(_completion(claim, result))
        _record_found(reply.following)
        return not reply.is_fenced

    def complete_and_claim_next(
        self, completions: Sequence[Completion], worker: str, limit: int
    ) -> tuple[list[bool | redis.RedisError], list[Claim]]:
        """As `complete_segment` for several segments at once, and claim next ones from the queue of small jobs.

        Args:
            completions: at least one.
            worker: claims the next segments.
            limit: maximum number of segments to claim.

        Returns:
            The outcomes in the same order, False: fenced; and the claims, fewer if the queue is empty.
        """
        share, rest = divmod(limit, len(completions))
        arguments = self._claim_arguments(worker) if limit else {}
        shares = [share + (i < rest) for i in range(len(completions))]
        calls = [
            _completion(one.claim, one.result, nonces=[_new_nonce() for _ in range(count)], **arguments)
            for one, count in zip(completions, shares, strict=True)
        ]
        replies = self._complete_all(calls, [one.span for one in completions])
        claims: list[Claim] = []
        for reply in replies:
            if not isinstance(reply, redis.RedisError):
                claims += _record_found(reply.following)
        return [reply if isinstance(reply, redis.RedisError) else not reply.is_fenced for reply in replies], claims

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

    def _claim_arguments(self, worker: str) -> dict[str, Any]:
        return {"worker": worker, "lease_ms": self._lease_ms, "time_limit_ms": self._time_limit_ms}

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

    def _complete_all(
        self, calls: Sequence[CompleteSegment], spans: Iterable[Span]
    ) -> list[CompletionReply | redis.RedisError]:
        """Run calls in one write, each in the trace of its span. Those that fail have their errors as results."""
        with ExitStack() as stack:
            for span in spans:
                stack.enter_context(tracing.script_span(CompleteSegment.name, span))
            try:
                with self._client.pipeline(transaction=False) as pipeline:
                    for call in calls:
                        pipeline.evalsha(
                            self._scripts[CompleteSegment].sha, 1, self._settings.key_prefix, *call.encode()
                        )
                    replies = pipeline.execute(raise_on_error=False)
            except redis.RedisError as error:
                return [error] * len(calls)
            return [self._result(call, reply) for call, reply in zip(calls, replies, strict=True)]

    def _result(self, call: CompleteSegment, reply: Reply | redis.RedisError) -> CompletionReply | redis.RedisError:
        """The result of a call in a pipeline. Unlike other calls, they do not load a script if the server has none."""
        if isinstance(reply, NoScriptError):
            reply = self._scripts[CompleteSegment](keys=[self._settings.key_prefix], args=call.encode())
        return reply if isinstance(reply, redis.RedisError) else call.parse(reply)


def _completion(claim: Claim, result: SegmentResult, **claim_arguments: Any) -> CompleteSegment:  # noqa: ANN401 - several types
    """The call that completes a segment, with the arguments of next claims if there are any."""
    return CompleteSegment(
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


def _new_nonce() -> str:
    return uuid.uuid4().hex


def _record_claim(reply: ClaimReply) -> Claim | None:
    """As `_record_found`, for a script that claims one segment."""
    return next(iter(_record_found(reply)), None)


def _record_found(reply: ClaimReply) -> tuple[Claim, ...]:
    """Record telemetry of claims, and of what the script found meanwhile."""
    for lost in reply.lost_attempts:
        tracing.emit_lost_attempt_span(lost)
    _record_ended(reply.ended_jobs)
    for claim in reply.claims:
        if claim.waited_ms is not None:
            metrics.JOB_QUEUE_DURATION.record(claim.waited_ms / 1000, {"job.queue": queue_for(claim.count)})
    return reply.claims


def _record_ended(jobs: Iterable[Job]) -> None:
    for job in jobs:
        metrics.record_job_duration(job, queue_for(job.count))
        tracing.emit_job_span(job)
