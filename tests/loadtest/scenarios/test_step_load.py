"""The step scenario: up while the objective holds, judged on each step's own jobs alone."""

from __future__ import annotations

from collections import Counter

from loadtest.scenarios.step_load import FIRST_USERS, MEASURE_SECONDS, SETTLE_SECONDS, Counts, StepLoad


def run(step_load: StepLoad, slow_from: int, failing_from: int = 10**9, most_seconds: int = 2_000) -> list[int]:
    """Users second by second; each finishes one job a second, in 100 ms until there are too many, then in 400 ms."""
    job_ms: Counter[int] = Counter()
    failures = 0
    seen: list[int] = []
    for second in range(most_seconds):
        users = step_load.users_at(second, Counts(Counter(job_ms), failures))
        if users is None:
            return seen
        seen.append(users)
        job_ms[100 if users < slow_from else 400] += users
        failures += users >= failing_from
    return seen


def test_users_grow_step_by_step_until_jobs_are_too_slow() -> None:
    step_load = StepLoad()
    seen = run(step_load, slow_from=40)
    assert [step.users for step in step_load.steps] == [20, 25, 31, 39, 49]
    assert [step.held for step in step_load.steps] == [True, True, True, True, False]
    assert seen[0] == FIRST_USERS
    assert len(seen) == 5 * (SETTLE_SECONDS + MEASURE_SECONDS)
    assert step_load.capacity is not None
    assert step_load.capacity.users == 39
    assert step_load.capacity.jobs_per_second == 39.0


def test_a_failure_breaks_a_step_as_slowness_does() -> None:
    step_load = StepLoad()
    run(step_load, slow_from=10**9, failing_from=30)
    assert [step.users for step in step_load.steps] == [20, 25, 31]
    assert step_load.capacity is not None
    assert step_load.capacity.users == 25


def test_a_climb_ends_at_the_most_users_it_was_given() -> None:
    step_load = StepLoad(most_users=30)
    run(step_load, slow_from=10**9)
    assert [step.users for step in step_load.steps] == [20, 25, 30]
    assert all(step.held for step in step_load.steps)
    low = StepLoad(most_users=5)
    run(low, slow_from=10**9)
    assert [step.users for step in low.steps] == [5]


def test_a_first_step_that_breaks_leaves_no_capacity() -> None:
    step_load = StepLoad()
    run(step_load, slow_from=1)
    assert step_load.capacity is None


def test_a_step_in_which_no_job_ends_does_not_hold() -> None:
    step_load = StepLoad()
    counts = Counts(Counter(), 0)
    assert [step_load.users_at(second, counts) for second in (0, SETTLE_SECONDS)] == [FIRST_USERS, FIRST_USERS]
    assert step_load.users_at(SETTLE_SECONDS + MEASURE_SECONDS, counts) is None
    assert not step_load.steps[0].held
