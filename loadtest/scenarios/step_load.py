"""The step scenario: add users until the objective is missed. The last step that met it is the capacity."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loadtest.report.histogram import difference, percentile
from loadtest.report.verdict import format_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

# The objective: 95 % of jobs are final within this time, as the client measures it, and nothing fails.
OBJECTIVE_MS = 250

# A step starts with new users, whose first requests are not representative.
SETTLE_SECONDS = 6
MEASURE_SECONDS = 15

FIRST_USERS = 20
GROWTH = 1.25
SPAWN_RATE = 50.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals since the run started."""

    # Submit to final, of jobs of all sizes except huge.
    job_ms: Mapping[int, int]
    failures: int


@dataclass(frozen=True, slots=True)
class Step:
    """One number of users and the measurements taken with it."""

    users: int
    jobs_per_second: float
    p95_ms: int | None
    failures: int

    @property
    def met_objective(self) -> bool:
        """False also for a step in which no job finished."""
        return self.failures == 0 and self.p95_ms is not None and self.p95_ms <= OBJECTIVE_MS


@dataclass
class StepLoad:
    """Chooses the number of users, called once a second. Ends after the first step that misses the objective."""

    max_users: int | None = None
    steps: list[Step] = field(default_factory=list)
    users: int = FIRST_USERS
    _step_started: float = 0.0
    _measured_since: float | None = None
    _before: Counts = field(default_factory=lambda: Counts(Counter(), 0))

    def __post_init__(self) -> None:
        if self.max_users is not None:
            self.users = min(self.users, self.max_users)

    @property
    def capacity(self) -> Step | None:
        """The last step that met the objective; None when the first one missed it."""
        return next((step for step in reversed(self.steps) if step.met_objective), None)

    @property
    def capacity_users(self) -> int:
        """The users of that step; 0 without one."""
        return self.capacity.users if self.capacity else 0

    def users_at(self, elapsed: float, counts: Counts) -> int | None:
        """The number of users to run now, given the totals so far; None when the scenario is over."""
        if self._measured_since is None:
            if elapsed - self._step_started >= SETTLE_SECONDS:
                self._measured_since, self._before = elapsed, counts
            return self.users
        if (seconds := elapsed - self._measured_since) < MEASURE_SECONDS:
            return self.users
        jobs = difference(counts.job_ms, self._before.job_ms)
        failures = counts.failures - self._before.failures
        step = Step(self.users, jobs.total() / seconds, percentile(jobs, 0.95), failures)
        self.steps.append(step)
        if not step.met_objective or self.users == self.max_users:
            return None
        self.users = max(self.users + 1, round(self.users * GROWTH))
        if self.max_users is not None:
            self.users = min(self.users, self.max_users)
        self._step_started, self._measured_since = elapsed, None
        return self.users


def format_steps(step_load: StepLoad) -> str:
    """A table of the steps, and the capacity in one sentence."""
    lines = [f"{'users':>8}{'jobs/s':>10}{'p95 ms':>10}{'failures':>10}"]
    lines += [
        f"{step.users:>8}{step.jobs_per_second:>10.1f}{format_ms(step.p95_ms):>10}{step.failures:>10}"
        + ("" if step.met_objective else "   FAIL")
        for step in step_load.steps
    ]
    best = step_load.capacity
    if best is None:
        lines.append("Capacity: unknown, the first step missed the objective")
    else:
        missed = any(not step.met_objective for step in step_load.steps)
        more = "" if missed else " or more: every step met the objective"
        lines.append(f"Capacity: {best.users} users, {best.jobs_per_second:.1f} jobs/s at p95 {best.p95_ms} ms{more}")
    return "\n".join(lines)
