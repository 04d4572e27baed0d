"""Callers own jobs. Authenticating them is left to gql."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# An owner is part of key names and of sorted set members, where a blank separates it from a job id.
_OWNER = re.compile(r"[a-z]{1,16}:[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """Limits of one caller.

    Args:
        submissions_per_minute: including refused ones and retries.
        open_jobs: maximum number of queued and running jobs.
        open_count: maximum number of primes requested by these jobs together.
    """

    submissions_per_minute: int
    open_jobs: int
    open_count: int


@dataclass(frozen=True, slots=True)
class Caller:
    """The authenticated owner of jobs. Jobs of other callers do not exist for it.

    Args:
        owner: kind of credential and a name that never changes, such as `key:alice`. Empty: the anonymous caller, which
            owns all jobs that were submitted while authentication was disabled.
        limits: None: only the limits of the whole system apply.
    """

    owner: str = ""
    limits: CallerLimits | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse an owner that would be ambiguous as part of a key."""
        if self.owner and not _OWNER.fullmatch(self.owner):
            raise ValueError(f"owner is {self.owner!r}, must be like key:alice")


ANYONE = Caller()
