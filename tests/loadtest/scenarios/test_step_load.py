"""The step scenario: users grow while the objective is met, measured on the jobs of each step alone."""

from __future__ import annotations

from collections import Counter

from loadtest.scenarios.step_load import FIRST_USERS, MEASURE_SECONDS, SETTLE_SECONDS, Counts, StepLoad


def run(step_load: StepLoad, slow_from: int, failing_from: int = 10**9, max_seconds: int = 2_000) -> list[int]:
    """Users by second. Each user finishes one job per second, in 100 ms below `slow_from` users and in 400 ms above."""
    job_ms: Counter[int] = Counter()
    failures = 0
    users_by_second: list[int] = []
    for second in range(max_seconds):
        users = step_load.users_at(second, Counts(Counter(job_ms), failures))
        if users is None:
            return users_by_second
        users_by_second.append(users)
        job_ms[100 if users < slow_from else 400] += users
        failures += users >= failing_from
    return users_by_second


def test_users_grow_until_jobs_are_too_slow() -> None:
    step_load = StepLoad()
    users_by_second = run(step_load, slow_from=40)
    assert [step.users for step in step_load.steps] == [20, 25, 31, 39, 49]
    assert [step.met_objective for step in step_load.steps] == [True, True, True, True, False]
    assert users_by_second[0] == FIRST_USERS
    assert len(users_by_second) == 5 * (SETTLE_SECONDS + MEASURE_SECONDS)
    assert step_load.capacity is not None
    assert step_load.capacity.users == 39
    assert step_load.capacity.jobs_per_second == 39.0


def test_a_failure_ends_the_run_like_slowness() -> None:
    step_load = StepLoad()
    run(step_load, slow_from=10**9, failing_from=30)
    assert [step.users for step in step_load.steps] == [20, 25, 31]
    assert step_load.capacity is not None
    assert step_load.capacity.users == 25


def test_the_run_ends_at_max_users() -> None:
    step_load = StepLoad(max_users=30)
    run(step_load, slow_from=10**9)
    assert [step.users for step in step_load.steps] == [20, 25, 30]
    assert all(step.met_objective for step in step_load.steps)
    low = StepLoad(max_users=5)
    run(low, slow_from=10**9)
    assert [step.users for step in low.steps] == [5]


def test_a_first_step_that_misses_the_objective_leaves_no_capacity() -> None:
    step_load = StepLoad()
    run(step_load, slow_from=1)
    assert step_load.capacity is None


def test_a_step_without_a_finished_job_misses_the_objective() -> None:
    step_load = StepLoad()
    counts = Counts(Counter(), 0)
    assert [step_load.users_at(second, counts) for second in (0, SETTLE_SECONDS)] == [FIRST_USERS, FIRST_USERS]
    assert step_load.users_at(SETTLE_SECONDS + MEASURE_SECONDS, counts) is None
    assert not step_load.steps[0].met_objective
