"""The step scenario: ever more users, until the objective breaks. The last step that held is the capacity."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadtest.report.histogram import percentile, since

if TYPE_CHECKING:
    from collections.abc import Mapping

# The objective: 95 in 100 jobs are final, as their client sees it, within this time, and nothing fails.
OBJECTIVE_MS = 250

# A step begins with newcomers, whose first requests tell little of how so many users fare.
SETTLE_SECONDS = 6
MEASURE_SECONDS = 15

FIRST_USERS = 20
GROWTH = 1.25
SPAWN_RATE = 50.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted since the run began."""

    # Submit-to-final, of jobs of all sizes but huge.
    job_ms: Mapping[int, int]
    failures: int


@dataclass(frozen=True, slots=True)
class Step:
    """One number of users, and how they fared."""

    users: int
    jobs_per_second: float
    p95_ms: int | None
    failures: int

    @property
    def held(self) -> bool:
        """Whether the objective was met. No finished job at all does not meet it."""
        return self.failures == 0 and self.p95_ms is not None and self.p95_ms <= OBJECTIVE_MS


@dataclass
class StepLoad:
    """Asked every second how many users there should be. Ends by itself when a step does not hold."""

    most_users: int | None = None
    steps: list[Step] = field(default_factory=list)
    users: int = FIRST_USERS
    _began: float = 0.0
    _measured_since: float | None = None
    _before: Counts = field(default_factory=lambda: Counts(Counter(), 0))

    def __post_init__(self) -> None:
        if self.most_users is not None:
            self.users = min(self.users, self.most_users)

    @property
    def capacity(self) -> Step | None:
        """The last step that held; None when the first one did not."""
        held = [step for step in self.steps if step.held]
        return held[-1] if held else None

    def users_at(self, elapsed: float, counts: Counts) -> int | None:
        """How many users there should be now, given what was counted until now; None when the climb is over."""
        if self._measured_since is None:
            if elapsed - self._began >= SETTLE_SECONDS:
                self._measured_since, self._before = elapsed, counts
            return self.users
        if (seconds := elapsed - self._measured_since) < MEASURE_SECONDS:
            return self.users
        jobs = since(counts.job_ms, self._before.job_ms)
        failures = counts.failures - self._before.failures
        step = Step(self.users, jobs.total() / seconds, percentile(jobs, 0.95), failures)
        self.steps.append(step)
        if not step.held or self.users == self.most_users:
            return None
        self.users = max(self.users + 1, round(self.users * GROWTH))
        if self.most_users is not None:
            self.users = min(self.users, self.most_users)
        self._began, self._measured_since = elapsed, None
        return self.users
