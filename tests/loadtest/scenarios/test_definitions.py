"""The named scenarios match their descriptions, and keep their shape when scaled."""

from __future__ import annotations

import pytest

from loadtest.scenarios.definitions import LIGHT, MEDIUM, MINUTE, SOAK, SPIKE, STAGED, STRESS, Scenario


@pytest.mark.parametrize(
    ("scenario", "users", "spawn_rate", "minutes"),
    [(LIGHT, 10, 2, 2), (MEDIUM, 50, 5, 5), (STRESS, 100, 10, 5), (SOAK, 20, 2, 30)],
)
def test_steady_scenarios_have_one_stage(scenario: Scenario, users: int, spawn_rate: float, minutes: int) -> None:
    assert scenario.seconds == minutes * MINUTE
    for moment in (0, scenario.seconds - 1):
        stage = scenario.stage_at(moment)
        assert stage is not None
        assert (stage.users, stage.spawn_rate) == (users, spawn_rate)
    assert scenario.stage_at(scenario.seconds) is None


def test_the_spike_rises_and_falls() -> None:
    users = [stage.users if (stage := SPIKE.stage_at(moment)) else None for moment in (0, 59, 60, 89, 90, 149, 150)]
    assert users == [10, 10, 100, 100, 10, 10, None]


@pytest.mark.parametrize("scenario", STAGED.values(), ids=str)
def test_a_scaled_scenario_has_the_given_peak_and_duration(scenario: Scenario) -> None:
    scaled = scenario.scaled(7, 21)
    assert scaled.peak_users == 7
    assert scaled.seconds == pytest.approx(21)
    assert all(stage.users >= 1 for stage in scaled.stages)
    assert scenario.scaled(None, None) == scenario
