"""The scenarios as Locust load shapes, selected by `--scenario` or by the class picker of the web UI.

At the end of a shape, users finish their current job and worker processes report it before the run is evaluated.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from locust import LoadTestShape

from loadtest.report.statistics import read_entries
from loadtest.report.verdict import Thresholds, job_histogram
from loadtest.scenarios import definitions
from loadtest.scenarios.step_load import OBJECTIVE_MS, SPAWN_RATE, Counts, StepLoad

if TYPE_CHECKING:
    from loadtest.report.load_processes import LoadProcesses
    from loadtest.scenarios.definitions import Scenario

# Locust's worker processes report to the master every three seconds. Busy ones are late.
WORKER_REPORT_SECONDS = 10

# Users per second that stop at the end: practically all at once. Locust warns about higher rates.
_STOP_RATE = 100.0


class Shape(LoadTestShape):
    """The orderly end of a run. Subclasses decide how many users run before that."""

    abstract = True

    # Otherwise Locust warns that --users and --run-time have no effect.
    use_common_options = True

    name: ClassVar[str]
    thresholds: ClassVar[Thresholds]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Locust's own has no annotations
        self._users: int | None = None
        self._seconds: float | None = None
        self._all_stopped_at: float | None = None
        # On Locust's master only.
        self.processes: LoadProcesses | None = None
        # False while the run is in progress, and when it was interrupted.
        self.completed = False
        # From the first user until all users have to stop.
        self.measured_seconds = 0.0

    def configure(self, users: int | None, seconds: float | None) -> None:
        """Override the scenario's peak number of users or its duration."""
        self._users, self._seconds = users, seconds

    def reset_time(self) -> None:
        """Prepare for a new run. Locust calls it at the start."""
        self.start_time = time.perf_counter()
        self.completed, self._all_stopped_at, self.measured_seconds = False, None, 0.0

    def target(self, elapsed: float) -> tuple[int, float] | None:
        """Number of users and spawn rate after this many seconds; None when the scenario is over."""
        raise NotImplementedError

    def tick(self) -> tuple[int, float] | None:
        """Number of users and spawn rate. Locust calls it every second until it returns None."""
        if not self.completed:
            elapsed = time.perf_counter() - self.start_time
            if (target := self.target(elapsed)) is not None:
                self.measured_seconds = elapsed
                return target
            self.completed = True
        if self.runner is not None and self.runner.user_count:
            return 0, _STOP_RATE
        self._all_stopped_at = self._all_stopped_at or time.perf_counter()
        if self.processes is None or self.processes.all_reported(self._all_stopped_at):
            return None
        is_late = time.perf_counter() - self._all_stopped_at >= WORKER_REPORT_SECONDS
        return None if is_late else (0, _STOP_RATE)

    def complete_processes(self) -> tuple[int, int]:
        """Numbers of processes whose figures are complete, and of those that generate load."""
        if self.processes is None:
            return 1, 1
        return self.processes.complete(self._all_stopped_at), self.processes.expected


class StagedShape(Shape):
    """A scenario whose numbers of users are known beforehand."""

    abstract = True
    scenario: ClassVar[Scenario]

    def target(self, elapsed: float) -> tuple[int, float] | None:
        """Users and spawn rate of the current stage."""
        stage = self.scenario.scaled(self._users, self._seconds).stage_at(elapsed)
        return None if stage is None else (stage.users, stage.spawn_rate)


class Light(StagedShape):
    """10 users for 2 minutes."""

    scenario = definitions.LIGHT


class Medium(StagedShape):
    """50 users for 5 minutes."""

    scenario = definitions.MEDIUM


class Stress(StagedShape):
    """100 users for 5 minutes."""

    scenario = definitions.STRESS


class Soak(StagedShape):
    """20 users for 30 minutes."""

    scenario = definitions.SOAK


class Spike(StagedShape):
    """10 users, a spike to 100 for 30 seconds, then 10 users."""

    scenario = definitions.SPIKE


for _shape in (Light, Medium, Stress, Soak, Spike):
    _shape.name = _shape.scenario.name
    _shape.thresholds = Thresholds(_shape.scenario.p95_ms)


class StepUntilFailure(Shape):
    """More users step by step, until p95 of submit to final exceeds the objective or a request fails."""

    name = definitions.STEP
    # Failures in the last step are the expected end of this scenario; a violation still fails the run.
    thresholds = Thresholds(p95_ms=None, max_failures=None)

    def __init__(self) -> None:
        super().__init__()
        self.step_load = StepLoad()

    def reset_time(self) -> None:
        """Start again from the first step."""
        super().reset_time()
        self.step_load = StepLoad(self._users)
        self._steps_printed = 0

    def target(self, elapsed: float) -> tuple[int, float] | None:
        """Users of the current step. Prints a line for each step that ended."""
        if self.runner is None or (self._seconds and elapsed > self._seconds):
            return None
        entries = read_entries(self.runner.stats)
        counts = Counts(job_histogram(entries), sum(entry.failures for entry in entries))
        users = self.step_load.users_at(elapsed, counts)
        for step in self.step_load.steps[self._steps_printed :]:
            self._steps_printed += 1
            result = "PASS" if step.met_objective else f"FAIL (required: p95 <= {OBJECTIVE_MS} ms, 0 failures)"
            print(  # noqa: T201 - progress of a run that takes minutes
                f"{elapsed:5.0f} s  {step.users} users: {step.jobs_per_second:.1f} jobs/s, p95 {step.p95_ms} ms, "
                f"{step.failures} failures: {result}",
                flush=True,
            )
        return None if users is None else (users, SPAWN_RATE)
