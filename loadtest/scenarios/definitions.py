"""The named scenarios: how many users run when, and the p95 limit of each."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stage:
    """A number of users for a duration. `spawn_rate` users per second start or stop until the number is reached."""

    seconds: float
    users: int
    spawn_rate: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Consecutive stages. Any failure or violation fails every scenario; the p95 limit is per scenario."""

    name: str
    description: str
    stages: tuple[Stage, ...]
    # Limit for submit to final, over jobs of all sizes except huge.
    p95_ms: int

    @property
    def peak_users(self) -> int:
        """The largest number of concurrent users."""
        return max(stage.users for stage in self.stages)

    @property
    def seconds(self) -> float:
        """The total duration."""
        return sum(stage.seconds for stage in self.stages)

    def stage_at(self, elapsed: float) -> Stage | None:
        """The stage after this many seconds; None after the last one."""
        for stage in self.stages:
            if elapsed < stage.seconds:
                return stage
            elapsed -= stage.seconds
        return None

    def scaled(self, users: int | None, seconds: float | None) -> Scenario:
        """The same shape with another peak, another duration, or both."""
        user_factor = users / self.peak_users if users else 1
        time_factor = seconds / self.seconds if seconds else 1
        stages = tuple(
            replace(stage, seconds=stage.seconds * time_factor, users=max(1, round(stage.users * user_factor)))
            for stage in self.stages
        )
        return replace(self, stages=stages)


MINUTE = 60

LIGHT = Scenario("light", "10 users for 2 minutes", (Stage(2 * MINUTE, 10, 2),), p95_ms=250)
MEDIUM = Scenario("medium", "50 users for 5 minutes", (Stage(5 * MINUTE, 50, 5),), p95_ms=500)
STRESS = Scenario("stress", "100 users for 5 minutes", (Stage(5 * MINUTE, 100, 10),), p95_ms=1_000)
SOAK = Scenario("soak", "20 users for 30 minutes", (Stage(30 * MINUTE, 20, 2),), p95_ms=250)
SPIKE = Scenario(
    "spike",
    "10 users, a spike to 100 for 30 seconds, then 10 users",
    (Stage(MINUTE, 10, 5), Stage(MINUTE / 2, 100, 50), Stage(MINUTE, 10, 50)),
    p95_ms=1_000,
)
STAGED = {scenario.name: scenario for scenario in (LIGHT, MEDIUM, STRESS, SOAK, SPIKE)}

# Not staged: `loadtest.scenarios.step_load` decides after each step.
STEP = "step"
NAMES = (*STAGED, STEP)
