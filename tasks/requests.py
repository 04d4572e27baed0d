"""What callers of the job service ask for: new jobs and pages of the job list."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.errors import FieldIssue, InvalidRequest
from tasks.jobs import FIRST_PRIME, JobStatus, max_start_for

if TYPE_CHECKING:
    from datetime import datetime

_IDEMPOTENCY_KEY = re.compile(r"[!-~]{1,128}")


@dataclass(frozen=True, slots=True)
class PrimesRequest:
    """The first `count` primes >= `start`."""

    count: int
    start: int = FIRST_PRIME
    idempotency_key: str | None = None

    def check(self, max_count: int) -> PrimesRequest:
        """Return this request if all fields are within bounds.

        Raises:
            InvalidRequest: with one issue per field that is out of bounds.
        """
        issues = []
        if not 1 <= self.count <= max_count:
            issues.append(_out_of_bounds("count", self.count, 1, max_count))
        max_start = max_start_for(min(max(self.count, 1), max_count))
        if not 0 <= self.start <= max_start:
            issues.append(_out_of_bounds("start", self.start, 0, max_start))
        if self.idempotency_key is not None and not _IDEMPOTENCY_KEY.fullmatch(self.idempotency_key):
            length = len(self.idempotency_key)
            message = f"idempotencyKey has {length} characters, must have 1 to 128, all visible ASCII (! to ~)"
            issues.append(FieldIssue(("idempotencyKey",), message))
        if issues:
            raise InvalidRequest(issues)
        return self


@dataclass(frozen=True, slots=True)
class JobPageRequest:
    """A page of the job list, newest first.

    Args:
        size: maximum number of jobs in the page.
        from_oldest: take the page from the old end of the filtered list instead of the new end.
        older_than: only jobs that come after this id in the list.
        newer_than: only jobs that come before this id in the list.
        statuses: only jobs with one of these statuses.
        created_after: only jobs created later.
        created_before: only jobs created earlier.
    """

    size: int
    from_oldest: bool = False
    older_than: str | None = None
    newer_than: str | None = None
    statuses: frozenset[JobStatus] = frozenset(JobStatus)
    created_after: datetime | None = None
    created_before: datetime | None = None


def _out_of_bounds(field: str, value: int, minimum: int, maximum: int) -> FieldIssue:
    return FieldIssue((field,), f"{field} is {value}, must be {minimum} to {maximum}", minimum, maximum)
