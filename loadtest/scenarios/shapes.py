"""The scenarios as Locust's load shapes: `--scenario` chooses one, and so does the class picker of the web UI.

At its end a shape lets all users finish what they are at, and worker processes report it, before the run is judged.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from locust import LoadTestShape
from locust.runners import MasterRunner

from loadtest.report.statistics import entries_of
from loadtest.report.verdict import Bounds, jobs_ms
from loadtest.scenarios import definitions
from loadtest.scenarios.step_load import OBJECTIVE_MS, SPAWN_RATE, Counts, StepLoad

if TYPE_CHECKING:
    from loadtest.scenarios.definitions import Scenario

# Worker processes report every three seconds.
REPORTED_SECONDS = 4

# All at once; Locust warns of more.
_LEAVING_RATE = 100.0


class Shape(LoadTestShape):
    """Rise and fall are the subclasses'; the orderly end is here."""

    abstract = True

    # Without this Locust says that --users and --run-time have no effect.
    use_common_options = True

    name: ClassVar[str]
    bounds: ClassVar[Bounds]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Locust's own has no annotations
        self._users: int | None = None
        self._seconds: float | None = None
        self._left_at: float | None = None
        # Whether it came to its end, and was not interrupted.
        self.is_over = False
        # From the first user to the moment when all were asked to leave.
        self.measured_seconds = 0.0

    def configure(self, users: int | None, seconds: float | None) -> None:
        """Another peak or length than the scenario's own."""
        self._users, self._seconds = users, seconds

    def reset_time(self) -> None:
        """A new run begins."""
        self.start_time = time.perf_counter()
        self.is_over, self._left_at, self.measured_seconds = False, None, 0.0

    def wanted(self, elapsed: float) -> tuple[int, float] | None:
        """Users and rate at a moment; None when it is over."""
        raise NotImplementedError

    def tick(self) -> tuple[int, float] | None:
        """Asked by Locust every second."""
        if not self.is_over:
            elapsed = time.perf_counter() - self.start_time
            if (wanted := self.wanted(elapsed)) is not None:
                self.measured_seconds = elapsed
                return wanted
            self.is_over = True
        if self.runner is not None and self.runner.user_count:
            return 0, _LEAVING_RATE
        self._left_at = self._left_at or time.perf_counter()
        to_report = REPORTED_SECONDS if isinstance(self.runner, MasterRunner) else 0
        return None if time.perf_counter() - self._left_at >= to_report else (0, _LEAVING_RATE)


class Staged(Shape):
    """A scenario that knows beforehand how many users it will have."""

    abstract = True
    scenario: ClassVar[Scenario]

    def wanted(self, elapsed: float) -> tuple[int, float] | None:
        """As the stage of this moment says."""
        stage = self.scenario.scaled(self._users, self._seconds).at(elapsed)
        return None if stage is None else (stage.users, stage.rate)


class Light(Staged):
    """10 users for 2 minutes."""

    scenario = definitions.LIGHT


class Medium(Staged):
    """50 users for 5 minutes."""

    scenario = definitions.MEDIUM


class Stress(Staged):
    """100 users for 5 minutes."""

    scenario = definitions.STRESS


class Soak(Staged):
    """20 users for 30 minutes."""

    scenario = definitions.SOAK


class Spike(Staged):
    """10 users, of a sudden 100, and 10 again."""

    scenario = definitions.SPIKE


for _shape in (Light, Medium, Stress, Soak, Spike):
    _shape.name = _shape.scenario.name
    _shape.bounds = Bounds(_shape.scenario.p95_ms)


class StepUntilBroken(Shape):
    """Ever more users, until p95 of submit-to-final is beyond the objective or something fails."""

    name = definitions.STEP
    # What breaks in the last step is what was looked for; a violation still fails the run.
    bounds = Bounds(p95_ms=None, failures=None)

    def __init__(self) -> None:
        super().__init__()
        self.step_load = StepLoad()

    def reset_time(self) -> None:
        """From the bottom again."""
        super().reset_time()
        self.step_load = StepLoad(self._users)
        self._told = 0

    def wanted(self, elapsed: float) -> tuple[int, float] | None:
        """As many as the climb has come to."""
        if self.runner is None or (self._seconds and elapsed > self._seconds):
            return None
        entries = entries_of(self.runner.stats)
        counts = Counts(jobs_ms(entries), sum(entry.failures for entry in entries))
        users = self.step_load.users_at(elapsed, counts)
        for step in self.step_load.steps[self._told :]:
            self._told += 1
            state = "held" if step.held else f"broken (p95 <= {OBJECTIVE_MS} ms and no failure is wanted)"
            print(  # noqa: T201 - a run of minutes tells how far it is
                f"{elapsed:5.0f} s  {step.users} users: {step.jobs_per_second:.1f} jobs/s, p95 {step.p95_ms} ms, "
                f"{step.failures} failures: {state}",
                flush=True,
            )
        return None if users is None else (users, SPAWN_RATE)
