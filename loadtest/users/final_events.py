"""Final events of a followed job: each subscriber must receive exactly one.

The server may skip intermediate states, so they are not checked.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadtest.measurements import Violation

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Update:
    """One event of a stream with its arrival time."""

    job_id: str
    version: int
    status: str
    is_final: bool
    finished_at: datetime | None
    # By time.perf_counter, for durations.
    arrived: float
    # Wall clock, to compare with the server's clock.
    arrived_at: datetime


@dataclass
class FinalEventTracker:
    """Counts the final events of one job for one subscriber, across reconnects."""

    job_id: str
    final: Update | None = None
    # Newest version received: where to resume after a lost connection.
    version: int | None = None
    events: int = 0
    # False when the job was already final in the first event of the stream.
    final_was_live: bool = False
    violations: list[Violation] = field(default_factory=list)

    def stream_opened(self) -> None:
        """A stream starts. Its first event is the current state."""
        self.events = 0

    def received(self, update: Update) -> None:
        """An event arrived. On a shared socket it may belong to an earlier job."""
        if update.job_id != self.job_id:
            # The stream of an earlier job completed after its final event, so another final event repeats it.
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
        """The server completed the stream: no more events follow."""
        if self.final is None:
            self.violations.append(Violation.LOST_FINAL)

    def final_event_overdue(self) -> None:
        """The job record has been final for longer than its final event may take."""
        self.stream_completed()
