"""All failures that callers of the job service must expect.

JobError
├── InvalidRequest       a field is out of bounds; carries one issue per field
├── JobNotFound          the job never existed, or its record has expired
├── JobAlreadyFinished   a job that is final cannot be cancelled
├── JobNotRetryable      only a job that failed or was cancelled can be retried
├── IdempotencyConflict  the idempotency key was used with other arguments
├── QueueFull            the system has reached its capacity; carries retry_after
├── RateLimited          the caller has reached one of its limits; carries retry_after
└── BackendUnavailable   the job store is down or refuses writes; carries retry_after
    ├── StorePermissionMissing  the user of the job store may not use a command, a key or a channel
    └── ResultStoreUnavailable  the result store is down, full, not accessible or damaged
        ├── SegmentMissing      a segment of the result has expired or was lost
        └── SegmentDamaged      a segment's file cannot be decoded

schema.errors.convert turns these into union members, gql.http.problem_details into problem responses: an error that is
missing from either table fails a test. Any other exception is a bug, and is masked at the edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.jobs import Job, QueueStats

# A restart of the store with a small log takes about a second.
OUTAGE_RETRY_AFTER = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class FieldIssue:
    """What is wrong with one field of a request: its path, a message, and the bounds where there are any."""

    path: tuple[str, ...]
    message: str
    minimum: int | None = None
    maximum: int | None = None


class JobError(Exception):
    """An expected failure. Its message may be sent to clients."""


class InvalidRequest(JobError):
    """The request is out of bounds: sending it again unchanged fails again."""

    def __init__(self, issues: Sequence[FieldIssue]) -> None:
        super().__init__("; ".join(issue.message for issue in issues))
        self.issues = tuple(issues)


class JobNotFound(JobError):
    """The job never existed, or its record has expired."""

    # Clients choose the text they send as an id: enough of it is repeated to recognise it.
    MAX_ID_CHARACTERS = 64

    def __init__(self, job_id: str) -> None:
        if len(job_id) > self.MAX_ID_CHARACTERS:
            job_id = f"{job_id[: self.MAX_ID_CHARACTERS]}..."
        super().__init__(f"job {job_id!r} does not exist or has expired")
        self.job_id = job_id


class JobAlreadyFinished(JobError):
    """The job cannot be cancelled: its status is final."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} is already {job.status}")
        self.job = job


class JobNotRetryable(JobError):
    """The job cannot be retried: it neither failed nor was cancelled."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"job {job.id} is {job.status}: only FAILED or CANCELLED jobs can be retried")
        self.job = job


class IdempotencyConflict(JobError):
    """The idempotency key was used for a job with other arguments."""

    def __init__(self, existing: Job) -> None:
        super().__init__(
            f"the idempotency key was already used with count {existing.count} and start {existing.start}: "
            "use another key for other arguments"
        )
        self.existing = existing


class QueueFull(JobError):
    """The number of open jobs has reached the system's capacity."""

    def __init__(self, queue: QueueStats, retry_after: timedelta) -> None:
        super().__init__(f"the queue is full: {queue.queued + queue.running} of {queue.capacity} jobs are open")
        self.queue = queue
        self.retry_after = retry_after


class RateLimited(JobError):
    """The caller has reached one of its limits: submissions per minute, open jobs, or open streams."""

    def __init__(self, message: str, retry_after: timedelta) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BackendUnavailable(JobError):
    """The job store did not respond, or refused to write. Nothing was acknowledged."""

    def __init__(self, message: str = "the job store is unavailable", retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after if retry_after is not None else OUTAGE_RETRY_AFTER


class StorePermissionMissing(BackendUnavailable):
    """The user of the job store may not use a command, a key or a channel: see the cause."""

    def __init__(self) -> None:
        super().__init__("the job store is unavailable: its user lacks a permission")


class ResultStoreUnavailable(BackendUnavailable):
    """The result store did not respond, or refused the request. Its own message may name hosts: see the cause."""

    def __init__(self, message: str = "the result store is unavailable") -> None:
        super().__init__(message)


class SegmentMissing(ResultStoreUnavailable):
    """A segment's file does not exist. Callers that know that the result has expired treat the result as empty."""

    def __init__(self) -> None:
        super().__init__("a segment of the result is missing: it has expired or was lost")


class SegmentDamaged(ResultStoreUnavailable):
    """A segment's file cannot be decoded."""

    def __init__(self) -> None:
        super().__init__("a segment of the result is damaged")
