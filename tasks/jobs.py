"""The domain types: jobs, their statuses, segments and limits. Imports nothing of the project.

             ┌─────────────── attempt is lost ────────────────┐
             ▼                                                │
submit ──► QUEUED ──── worker claims a segment ──────► RUNNING ──► SUCCEEDED   all segments are stored
             │                                            ├──────► FAILED      no attempts left, or not retryable
             └──────────── cancel ──────► CANCELLED ◄─────┘

SUCCEEDED, FAILED and CANCELLED are final: no transition leaves them.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

# Primes in one segment, computed by one task: about 10 ms of sieving near zero, at most a second near 2^53. Losing an
# attempt costs little, and a billion primes need only a thousand messages.
SEGMENT_PRIMES = 2**20

# Maximum number of primes of a small job. Small jobs have their own queue, which workers serve first.
SMALL_JOB_PRIMES = 10_000

FIRST_PRIME = 2

# The largest prime that a JSON number holds exactly (below 2^53).
LARGEST_PRIME = 2**53 - 111

# Below 2^53 the mean gap between primes is 36.7 and the largest is 1,132, so `count` primes always fit into an interval
# of count * 40 + 1200 numbers. The tests verify it by counting.
MAX_MEAN_GAP = 40
GAP_MARGIN = 1200

_JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class JobStatus(StrEnum):
    """The status of a job. The diagram above shows the transitions."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Whether the status can never change again."""
        return self in {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}


class FailureReason(StrEnum):
    """Why a job is FAILED."""

    INTERNAL = "INTERNAL"
    TIMEOUT = "TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    RESULT_STORE = "RESULT_STORE"


class ResultState(StrEnum):
    """Which part of a job's result can be read."""

    EMPTY = "EMPTY"
    PARTIAL = "PARTIAL"
    COMPLETE = "COMPLETE"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed. The message may be sent to clients."""

    reason: FailureReason
    message: str

    @property
    def retryable(self) -> bool:
        """Whether a retry may succeed. Only the time limit depends on the job's arguments."""
        return self.reason is not FailureReason.TIMEOUT


@dataclass(frozen=True, slots=True)
class Job:
    """A snapshot of a job's record, taken at `read_at` by the store's clock.

    Args:
        done: number of primes computed so far, in any segments.
        available: number of primes in the completed prefix of the result.
        result_id: names the result's files in the result store, and is shared by retries; None: the result is stored
            beside the record.
        digests: SHA-256 digests of the segments of a complete result, joined, in hex; None also if an older version has
            computed a segment.
    """

    id: str
    status: JobStatus
    version: int
    count: int
    start: int
    done: int
    created_at: datetime
    read_at: datetime
    attempt: int
    max_attempts: int
    idempotency_key: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    queue_position: int | None = None
    failure: Failure | None = None
    retry_of: str | None = None
    traceparent: str | None = None
    available: int = 0
    first: int | None = None
    last: int | None = None
    digests: str | None = None
    result_expires_at: datetime | None = None
    result_id: str | None = None

    @property
    def result_state(self) -> ResultState:
        """Which part of the result can be read now."""
        if self.result_expires_at is not None and self.read_at >= self.result_expires_at:
            return ResultState.EXPIRED
        if self.status is JobStatus.SUCCEEDED:
            return ResultState.COMPLETE
        return ResultState.PARTIAL if self.available else ResultState.EMPTY

    @property
    def sha256(self) -> str | None:
        """Hex SHA-256 of the digests of all segments; None unless all are known."""
        return None if self.digests is None else hashlib.sha256(bytes.fromhex(self.digests)).hexdigest()

    @property
    def readable(self) -> int:
        """Number of primes that can be read now: the completed prefix, or 0 once the result has expired."""
        return 0 if self.result_state is ResultState.EXPIRED else self.available

    @property
    def queued_for(self) -> timedelta:
        """Time from submission to the first claim, or to now while the job is queued."""
        return (self.started_at or self.finished_at or self.read_at) - self.created_at

    @property
    def ran_for(self) -> timedelta | None:
        """Time from the first claim to the end, or to now while the job is running; None before the first claim."""
        return (self.finished_at or self.read_at) - self.started_at if self.started_at else None

    @property
    def remaining(self) -> timedelta | None:
        """Estimated time to completion at the average rate so far; None unless running with progress."""
        if self.status is not JobStatus.RUNNING or not self.done or self.ran_for is None:
            return None
        return self.ran_for * ((self.count - self.done) / self.done)


@dataclass(frozen=True, slots=True)
class JobUpdate:
    """A new state of a job for one subscriber, and the number of states that it skipped since the previous one."""

    job: Job
    folded: int


@dataclass(frozen=True, slots=True)
class LostAttempt:
    """An attempt whose lease expired. Times are milliseconds of the store's clock."""

    job_id: str
    index: int
    attempt: int
    claimed_ms: int
    lost_ms: int
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """The load of the system. `capacity` is the maximum number of queued and running jobs together."""

    queued: int
    running: int
    capacity: int
    oldest_queued_for: timedelta | None = None
    estimated_wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker with a recent heartbeat."""

    name: str
    concurrency: int
    last_heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class SystemState:
    """Queue and workers at one moment of the store's clock.

    Args:
        at: that moment.
        queue: its load.
        workers: those with a recent heartbeat.
        oldest_due: how long the segment that has waited longest has been due; None when no segment waits.
    """

    at: datetime
    queue: QueueStats
    workers: tuple[Worker, ...]
    oldest_due: timedelta | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and the number of filtered jobs that are newer, older, and in total."""

    jobs: tuple[Job, ...]
    newer: int
    older: int
    total: int


def is_job_id(text: str) -> bool:
    """Whether the text is a UUID version 7 in canonical form, as all job ids are."""
    return _JOB_ID.fullmatch(text) is not None


def segment_count(count: int) -> int:
    """Number of segments of a job with `count` primes."""
    return -(-count // SEGMENT_PRIMES)


def segment_length(count: int, index: int) -> int:
    """Number of primes in the segment at this zero-based index: SEGMENT_PRIMES, or fewer in the last one."""
    return min(SEGMENT_PRIMES, count - index * SEGMENT_PRIMES)


def max_start_for(count: int) -> int:
    """The largest start for which `count` primes are guaranteed to fit below 2^53."""
    return LARGEST_PRIME if count == 1 else LARGEST_PRIME - count * MAX_MEAN_GAP - GAP_MARGIN
