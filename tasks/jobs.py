"""The words of the domain: a job, its statuses, its segments and its limits. Imports nothing of the project.

             ┌────────────── an attempt is lost ──────────────┐
             ▼                                                │
submit ──► QUEUED ──── a worker claims a segment ────► RUNNING ──► SUCCEEDED   every segment is kept
             │                                            ├──────► FAILED      no attempt is left, or none would help
             └──────────── cancel ──────► CANCELLED ◄─────┘

The last three are final: nothing moves a job out of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime, timedelta

# Primes in one segment: computed by one task. About 10 ms of sieving near zero, a second or less near 2^53; small
# enough to lose, large enough that a billion primes are a thousand messages.
SEGMENT_PRIMES = 2**20

# Up to so many primes a job is small: it runs on a queue of its own, which workers look at first.
SMALL_JOB_PRIMES = 10_000

FIRST_PRIME = 2

# The largest prime that a JSON number holds exactly (below 2^53).
LARGEST_PRIME = 2**53 - 111

# Whatever its count, a job must end at LARGEST_PRIME or before. Up there primes are 36.7 apart on average and at most
# 1,132, so count primes fit into count * 40 + 1200 numbers; the test of this constant counts them.
MAX_MEAN_GAP = 40
GAP_MARGIN = 1200

_JOB_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class JobStatus(StrEnum):
    """Where a job is in its life; see the picture above for who moves it."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def is_final(self) -> bool:
        """Nothing moves the job any more."""
        return self in {JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.CANCELLED}


class FailureReason(StrEnum):
    """Why a job is FAILED."""

    INTERNAL = "INTERNAL"
    TIMEOUT = "TIMEOUT"
    WORKER_LOST = "WORKER_LOST"
    RESULT_STORE = "RESULT_STORE"


class ResultState(StrEnum):
    """How much of a job's result can be read."""

    EMPTY = "EMPTY"
    PARTIAL = "PARTIAL"
    COMPLETE = "COMPLETE"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job failed, in words that are safe to show."""

    reason: FailureReason
    message: str

    @property
    def retryable(self) -> bool:
        """A new try may succeed: nothing is wrong with the arguments, which were checked when they came."""
        return self.reason is not FailureReason.TIMEOUT


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its record was at one moment of the store's clock, `read_at`."""

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
    sha256: str | None = None
    result_expires_at: datetime | None = None
    # Names the result's files in the result store; None: the primes are stored with the record. Retries share it.
    result_id: str | None = None

    @property
    def result_state(self) -> ResultState:
        """How much of the result can be read now."""
        if self.result_expires_at is not None and self.read_at >= self.result_expires_at:
            return ResultState.EXPIRED
        if self.status is JobStatus.SUCCEEDED:
            return ResultState.COMPLETE
        return ResultState.PARTIAL if self.available else ResultState.EMPTY

    @property
    def readable(self) -> int:
        """How many primes can be read now: the completed prefix, until its time-to-live has passed."""
        return 0 if self.result_state is ResultState.EXPIRED else self.available

    @property
    def queued_for(self) -> timedelta:
        """From submission to the first claim; still growing while nobody has claimed it."""
        return (self.started_at or self.finished_at or self.read_at) - self.created_at

    @property
    def ran_for(self) -> timedelta | None:
        """From the first claim to the end, or to now; None before the first claim."""
        return (self.finished_at or self.read_at) - self.started_at if self.started_at else None

    @property
    def remaining(self) -> timedelta | None:
        """An estimate from the pace so far; None while there is none to tell from."""
        if self.status is not JobStatus.RUNNING or not self.done or self.ran_for is None:
            return None
        return self.ran_for * ((self.count - self.done) / self.done)


@dataclass(frozen=True, slots=True)
class LostAttempt:
    """An attempt whose worker fell silent; moments in milliseconds of the server's clock."""

    job_id: str
    index: int
    attempt: int
    claimed_ms: int
    lost_ms: int
    traceparent: str | None


@dataclass(frozen=True, slots=True)
class QueueStats:
    """How full the system is. `capacity` counts queued and running jobs together."""

    queued: int
    running: int
    capacity: int
    oldest_queued_for: timedelta | None = None
    estimated_wait: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker process that was seen consuming."""

    name: str
    concurrency: int
    last_heartbeat_at: datetime


@dataclass(frozen=True, slots=True)
class SystemState:
    """Queue and workers at one moment of the store's clock.

    Args:
        at: that moment.
        queue: how full the system is.
        workers: those with a recent heartbeat.
        oldest_due: how long the segment that has waited longest has been due; None when no segment waits.
    """

    at: datetime
    queue: QueueStats
    workers: tuple[Worker, ...]
    oldest_due: timedelta | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """Jobs, newest first, and how many more the filter admits on either side and in all."""

    jobs: tuple[Job, ...]
    newer: int
    older: int
    total: int


def is_job_id(text: str) -> bool:
    """Whether a job could have this id at all: a UUID version 7 in its usual form."""
    return _JOB_ID.fullmatch(text) is not None


def segment_count(count: int) -> int:
    """How many segments a job of `count` primes is cut into."""
    return -(-count // SEGMENT_PRIMES)


def segment_length(count: int, index: int) -> int:
    """How many primes the segment at this zero-based index has: all are full but the last."""
    return min(SEGMENT_PRIMES, count - index * SEGMENT_PRIMES)


def max_start_for(count: int) -> int:
    """The largest start at which `count` primes are sure to fit below 2^53."""
    return LARGEST_PRIME if count == 1 else LARGEST_PRIME - count * MAX_MEAN_GAP - GAP_MARGIN
