"""What may be wrong though every answer was 200: the accounting of final events, and the names of violations.

A subscriber must see the end of its job exactly once. In-between states may be folded, so nothing is said about them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class Violation(StrEnum):
    """A promise that was broken. None of these may ever happen, under no load."""

    LOST_FINAL = "lost_final"
    """The stream completed without the final state, or the job is long final and its subscriber was not told."""

    REPEATED_FINAL = "repeated_final"
    """A subscriber was told of the end more than once."""

    WRONG_RESULT = "wrong_result"
    """The primes are not those that were asked for."""


@dataclass(frozen=True, slots=True)
class Update:
    """One event of a stream, and when it arrived."""

    job_id: str
    version: int
    status: str
    is_final: bool
    finished_at: datetime | None
    # By time.perf_counter, for durations; and by the calendar, to compare with the server's clock.
    arrived: float
    arrived_at: datetime


@dataclass
class FinalAccount:
    """Of one job, followed by one subscriber, over as many streams as it took."""

    job_id: str
    final: Update | None = None
    # The newest version that was seen: where to resume after a lost connection.
    version: int | None = None
    events: int = 0
    # Whether the end was news: not what the stream began with.
    final_was_live: bool = False
    violations: list[Violation] = field(default_factory=list)

    def stream_opened(self) -> None:
        """Another stream begins: its first event tells what is so already."""
        self.events = 0

    def saw(self, update: Update) -> None:
        """An event arrived; on a socket that is shared it may belong to an earlier job."""
        if update.job_id != self.job_id:
            # An earlier stream ends after its final event: whatever comes later comes again.
            if update.is_final:
                self.violations.append(Violation.REPEATED_FINAL)
            return
        self.events += 1
        self.version = update.version
        if not update.is_final:
            return
        if self.final is not None:
            self.violations.append(Violation.REPEATED_FINAL)
            return
        self.final = update
        self.final_was_live = self.events > 1

    def stream_completed(self) -> None:
        """The server said that nothing more will come."""
        if self.final is None:
            self.violations.append(Violation.LOST_FINAL)

    def known_to_be_final(self) -> None:
        """The job has been final for long enough, as its record says, for the event to have come."""
        self.stream_completed()
