"""One example of each expected failure, for tests of the tables that convert them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tasks import errors
from tasks.jobs import Job, JobStatus, QueueStats

NOW = datetime(2026, 1, 1, tzinfo=UTC)
JOB = Job("01945b7e-1c2d-7abc-8def-0123456789ab", JobStatus.SUCCEEDED, 3, 10, 2, 10, NOW, NOW, 1, 3)

EXAMPLES: tuple[errors.JobError, ...] = (
    errors.InvalidRequest([errors.FieldIssue(("count",), "count is 0, must be 1 to 5", 1, 5)]),
    errors.JobNotFound(JOB.id),
    errors.JobAlreadyFinished(JOB),
    errors.JobNotRetryable(JOB),
    errors.IdempotencyConflict(JOB),
    errors.QueueFull(QueueStats(queued=3, running=2, capacity=5), timedelta(seconds=2)),
    errors.RateLimited("at most 5 submissions per minute", timedelta(seconds=2)),
    errors.BackendUnavailable(retry_after=timedelta(seconds=2)),
    errors.StorePermissionMissing(),
    errors.ResultStoreUnavailable(),
    errors.SegmentMissing(),
    errors.SegmentDamaged(),
)


class NewFailure(errors.JobError):
    """A failure that is in no table."""


def expected_failures() -> set[type[errors.JobError]]:
    """All classes of the tree in tasks.errors."""
    found, new = set(), {errors.JobError}
    while new:
        new = {below for above in new for below in above.__subclasses__()}
        found |= new
    return found - {NewFailure}
