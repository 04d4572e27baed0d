"""Calls of the scripts that workers run: their arguments and replies. See tasks.storage.scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from tasks.jobs import SEGMENT_PRIMES, segment_length
from tasks.storage.records import parse_fields, parse_job, parse_lost_attempts
from tasks.storage.scripts import Reply, Script

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tasks.jobs import Job, LostAttempt

R = TypeVar("R")


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
        waited_ms: time from the job's submission to its first claim; None: this is not the first.
        traceparent: trace context of the job; None: telemetry was off when it was submitted.
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
    waited_ms: int | None
    traceparent: str | None = None

    @classmethod
    def from_reply(cls, reply: Reply) -> Self:
        """The claim that a script has granted."""
        found = parse_fields(reply)
        count, start, index = int(found["count"]), int(found["start"]), found["index"]
        result_id, last_before, traceparent = (found[name] for name in ("result_id", "last_before", "traceparent"))
        return cls(
            job_id=found["job"].decode(),
            index=index,
            token=found["token"],
            start=start,
            base=start if last_before is None else int(last_before) + 1,
            rank_from_base=(index - found["segments_before"]) * SEGMENT_PRIMES,
            length=segment_length(count, index),
            attempt=found["attempt"],
            count=count,
            result_id=None if result_id is None else result_id.decode(),
            waited_ms=found["waited_ms"],
            traceparent=None if traceparent is None else traceparent.decode(),
        )

    @property
    def is_small(self) -> bool:
        """Whether the job has one segment, from the queue of small jobs."""
        return self.result_id is None


@dataclass(frozen=True, slots=True)
class ClaimReply:
    """The claims, none if they were refused; the attempts found lost meanwhile, and the jobs that ended."""

    claims: tuple[Claim, ...]
    lost_attempts: tuple[LostAttempt, ...]
    ended_jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimSegment(Script[ClaimReply]):
    """Claims a segment for a worker. A repeated call with the same nonce gets the same claim."""

    name = "claim_segment"
    job: str
    index: int
    nonce: str
    worker: str
    lease_ms: int
    time_limit_ms: int

    def parse(self, reply: Reply) -> ClaimReply:
        """The claim and what the script found meanwhile."""
        return _parse_claim(parse_fields(reply))


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedScript(Script[R], Generic[R]):
    """A write that only the holder of a segment may make: refused unless `token` is the segment's highest."""

    job: str
    index: int
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimNextSegment(FencedScript[ClaimReply]):
    """Claims the segment of the next message in a queue, for the holder of another segment.

    Args:
        queue: where the message is. Nothing is claimed while a queue with a higher priority has messages.
        nonce: as in ClaimSegment, like the three below.
        worker: claims the segment.
        lease_ms: its lease.
        time_limit_ms: time limit of its job.
    """

    name = "claim_next_segment"
    queue: str
    nonce: str
    worker: str
    lease_ms: int
    time_limit_ms: int

    def parse(self, reply: Reply) -> ClaimReply:
        """The claim and what the script found meanwhile."""
        return _parse_claim(parse_fields(reply))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtendLease(FencedScript[bool]):
    """Extends the lease of a segment."""

    name = "extend_lease"
    lease_ms: int

    def parse(self, reply: Reply) -> bool:
        """False: fenced."""
        return not parse_fields(reply).get("fenced")


@dataclass(frozen=True, slots=True)
class CompletionReply:
    """Whether the write was fenced, and the claims of next segments, with the jobs that ended by both."""

    is_fenced: bool
    following: ClaimReply


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSegment(FencedScript[CompletionReply]):
    """Completes a segment whose primes are stored, and claims next ones from the queue of small jobs.

    Args:
        length: number of its primes.
        first: its first prime, as text: scripts print numbers with 14 digits.
        last: its last prime, as text.
        digest: hex SHA-256 of its primes as little-endian unsigned 64-bit integers.
        deltas: its primes, delta-coded; empty for jobs with files.
        nonces: one for each segment to be claimed, as in ClaimSegment; empty: claim nothing.
        worker: claims the next segments.
        lease_ms: lease of each of them.
        time_limit_ms: time limit of their jobs.
    """

    name = "complete_segment"
    length: int
    first: str
    last: str
    digest: str
    deltas: bytes
    nonces: Sequence[str] = ()
    worker: str | None = None
    lease_ms: int | None = None
    time_limit_ms: int | None = None

    def parse(self, reply: Reply) -> CompletionReply:
        """What became of the completion, and the next claims if any."""
        found = parse_fields(reply)
        return CompletionReply(is_fenced=bool(found.get("fenced")), following=_parse_claims(found, found["next"]))


@dataclass(frozen=True, slots=True, kw_only=True)
class FailJob(FencedScript["tuple[Job, ...] | None"]):
    """Fails a job because another attempt at one of its segments would fail too."""

    name = "fail_job"
    reason: str
    text: str

    def parse(self, reply: Reply) -> tuple[Job, ...] | None:
        """The jobs that this ended. None: fenced, nothing written."""
        found = parse_fields(reply)
        return None if found.get("fenced") else _parse_jobs(found["ended_jobs"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSegments(Script[int]):
    """Releases all segments of a worker that shuts down."""

    name = "release_segments"
    worker: str

    def parse(self, reply: Reply) -> int:
        """Number of released segments."""
        released: int = parse_fields(reply)["released"]
        return released


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What one run of the reconciler found and did.

    Args:
        expired_leases: number of leases found expired.
        resent_segments: number of segments sent again.
        lost_attempts: the attempts whose leases had expired.
        ended_jobs: jobs that failed: no attempts left, or time limit exceeded.
    """

    expired_leases: int
    resent_segments: int
    lost_attempts: tuple[LostAttempt, ...]
    ended_jobs: tuple[Job, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RescueSegments(Script[Reconciliation]):
    """Sends lost segments again, and fails jobs that exceed their time limit.

    Args:
        grace_ms: a sent segment that is unclaimed for longer while its queue is empty has lost its message.
        time_limit_ms: time limit of jobs, for the failure's message.
        limit: maximum number of segments of each kind to handle.
    """

    name = "rescue_segments"
    grace_ms: int
    time_limit_ms: int
    limit: int

    def parse(self, reply: Reply) -> Reconciliation:
        """What was found and done."""
        found = parse_fields(reply)
        return Reconciliation(
            expired_leases=found["expired_leases"],
            resent_segments=found["resent_segments"],
            lost_attempts=parse_lost_attempts(found["lost_attempts"]),
            ended_jobs=_parse_jobs(found["ended_jobs"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerHeartbeat(Script[int]):
    """Registers a worker, as `records.worker_member` describes it, as consuming."""

    name = "worker_heartbeat"
    worker: str

    def parse(self, reply: Reply) -> int:
        """Number of queued messages."""
        queued: int = parse_fields(reply)["queued"]
        return queued


def _parse_claim(found: Mapping[str, Any]) -> ClaimReply:
    """The reply of a script that claims one segment."""
    claim = found["claim"]
    return _parse_claims(found, () if claim is None else (claim,))


def _parse_claims(found: Mapping[str, Any], claims: Iterable[Reply]) -> ClaimReply:
    return ClaimReply(
        claims=tuple(Claim.from_reply(claim) for claim in claims),
        lost_attempts=parse_lost_attempts(found["lost_attempts"]),
        ended_jobs=_parse_jobs(found["ended_jobs"]),
    )


def _parse_jobs(jobs: Iterable[Reply]) -> tuple[Job, ...]:
    return tuple(parse_job(job) for job in jobs)
