"""Every failure a caller of the job service can expect.

JobError
├── InvalidRequest       start or count out of limits; carries one issue per field
├── JobNotFound          never existed, or its record expired
├── TransitionRefused    the life cycle forbids it (cancel a finished job)
├── IdempotencyConflict  same key, other arguments
├── QueueFull            back-pressure; carries retry_after
├── RateLimited          this caller's share is used up; carries retry_after
└── BackendUnavailable   broker or store did not answer; carries retry_after
    └── ResultStoreUnavailable  likewise the store of large results: gone, full, closed to us, or damaged
        ├── SegmentMissing      a part of a result is not there: it has expired, or was lost
        └── SegmentDamaged      what is there is not what was put

schema.errors turns these into union members, gql.http.problem_details into problem responses. An exception that is not
in this tree is a bug, and is masked at the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.jobs import Job, QueueStats

# How long an outage of the store usually takes to be worth another try: a restart with a small log is done in a second.
OUTAGE_RETRY_AFTER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class FieldIssue:
    """What is wrong with one field: where, in which words, and the bounds that would have been right."""

    path: tuple[str, ...]
    message: str
    minimum: int | None = None
    maximum: int | None = None


class JobError(Exception):
    """An expected failure; its text is safe to show."""


class InvalidRequest(JobError):
    """The request itself is out of bounds; asking again unchanged will not help."""

    def __init__(self, issues: Sequence[FieldIssue]) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = tuple(issues)


class JobNotFound(JobError):
    """No such job: it never existed, or its record expired."""

    # An id can be as long as a request: enough of it comes back to recognise it, and no more.
    SHOWN_CHARACTERS = 64

    def __init__(self, job_id: str) -> None:
        shown = job_id if len(job_id) <= self.SHOWN_CHARACTERS else f"{job_id[: self.SHOWN_CHARACTERS]}..."
        super().__init__(f"there is no job {shown!r}: it never existed or has expired")
        self.job_id = shown


class TransitionRefused(JobError):
    """The job's status does not allow this step."""

    def __init__(self, message: str, job: Job) -> None:
        super().__init__(message)
        self.job = job


class IdempotencyConflict(JobError):
    """The idempotency key already stands for a job with other arguments."""

    def __init__(self, existing: Job) -> None:
        super().__init__(
            f"the idempotency key was used for count {existing.count} and start {existing.start}: "
            "use another key for other arguments"
        )
        self.existing = existing


class QueueFull(JobError):
    """As many jobs are open as the system takes."""

    def __init__(self, queue: QueueStats, retry_after: timedelta) -> None:
        super().__init__(f"the queue is full: {queue.queued + queue.running} of {queue.capacity} jobs are open")
        self.queue = queue
        self.retry_after = retry_after


class RateLimited(JobError):
    """This caller has as much as one may have at a time, or asks more often than one may."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendUnavailable(JobError):
    """The store did not answer, or refused to write; nothing was acknowledged."""

    def __init__(self, message: str = "the job store does not answer", retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after if retry_after is not None else OUTAGE_RETRY_AFTER


class ResultStoreUnavailable(BackendUnavailable):
    """The store of large results did not answer, or refused. Its own words, which may name hosts, are in the cause."""

    def __init__(self, message: str = "the result store does not answer") -> None:
        super().__init__(message)


class SegmentMissing(ResultStoreUnavailable):
    """A part of a result is not where it was put. Whoever knows that the result has expired takes it for empty."""

    def __init__(self) -> None:
        super().__init__("a part of the result is missing: it has expired or was lost")


class SegmentDamaged(ResultStoreUnavailable):
    """A part of a result is not what was put there."""

    def __init__(self) -> None:
        super().__init__("a part of the result is damaged")
