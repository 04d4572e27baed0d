"""Whom jobs belong to. Who a caller is, and how that was found out, is the edges' business."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

# Part of keys and of members of sorted sets, which are told apart by blanks: neither may be in it, nor anything long.
_OWNER = re.compile(r"[a-z]{1,16}:[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class CallerLimits:
    """How much of the system one caller may have.

    Args:
        submissions_per_minute: accepted or not, retries too.
        open_jobs: queued and running at a time.
        open_count: primes that these were asked for, together.
    """

    submissions_per_minute: int
    open_jobs: int
    open_count: int


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody whose jobs are nobody else's: others' requests for them are answered as for jobs that never were.

    Args:
        owner: a kind of caller and a name that is the same for ever, as `key:alice`; empty: nobody in particular, to
            whom all jobs belong that were submitted while nobody asked who was there.
        limits: None: those of the whole system alone.
    """

    owner: str = ""
    limits: CallerLimits | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        """Refuse an owner that could be taken for another part of a key."""
        if self.owner and not _OWNER.fullmatch(self.owner):
            raise ValueError(f"owner is {self.owner!r}, must be like key:alice")


ANYONE = Caller()
