"""The named scenarios: how many people come when, and what must hold for the run to pass."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Stage:
    """So many users for so long; the rate is how many come, or go, a second."""

    seconds: float
    users: int
    rate: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """Stages one after the other. Failures and violations fail every scenario; the bound is its own."""

    name: str
    says: str
    stages: tuple[Stage, ...]
    # Of submit-to-final, over the jobs of all sizes but huge.
    p95_ms: int

    @property
    def peak(self) -> int:
        """Most users at a time."""
        return max(stage.users for stage in self.stages)

    @property
    def seconds(self) -> float:
        """From the first user to the end."""
        return sum(stage.seconds for stage in self.stages)

    def at(self, elapsed: float) -> Stage | None:
        """The stage at a moment; None when it is over."""
        for stage in self.stages:
            if elapsed < stage.seconds:
                return stage
            elapsed -= stage.seconds
        return None

    def scaled(self, users: int | None, seconds: float | None) -> Scenario:
        """The same shape with another peak, another length, or both."""
        width = users / self.peak if users else 1
        length = seconds / self.seconds if seconds else 1
        stages = tuple(
            replace(stage, seconds=stage.seconds * length, users=max(1, round(stage.users * width)))
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
    "10 users, of a sudden 100, and 10 again",
    (Stage(MINUTE, 10, 5), Stage(MINUTE / 2, 100, 50), Stage(MINUTE, 10, 50)),
    p95_ms=1_000,
)
STAGED = {scenario.name: scenario for scenario in (LIGHT, MEDIUM, STRESS, SOAK, SPIKE)}

# Raises its users itself: see `loadtest.scenarios.step_load`.
STEP = "step"
NAMES = (*STAGED, STEP)
