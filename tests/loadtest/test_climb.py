"""The step scenario: up while the objective holds, judged on each step's own jobs alone."""

from __future__ import annotations

from collections import Counter

from loadtest.climb import FIRST_USERS, MEASURE_SECONDS, SETTLE_SECONDS, Climb, Counts


def run(climb: Climb, slow_from: int, failing_from: int = 10**9, most_seconds: int = 2_000) -> list[int]:
    """Users second by second; each finishes one job a second, in 100 ms until there are too many, then in 400 ms."""
    job_ms: Counter[int] = Counter()
    failures = 0
    seen: list[int] = []
    for second in range(most_seconds):
        users = climb.users_at(second, Counts(Counter(job_ms), failures))
        if users is None:
            return seen
        seen.append(users)
        job_ms[100 if users < slow_from else 400] += users
        failures += users >= failing_from
    return seen


def test_users_grow_step_by_step_until_jobs_are_too_slow() -> None:
    climb = Climb()
    seen = run(climb, slow_from=40)
    assert [step.users for step in climb.steps] == [20, 25, 31, 39, 49]
    assert [step.held for step in climb.steps] == [True, True, True, True, False]
    assert seen[0] == FIRST_USERS
    assert len(seen) == 5 * (SETTLE_SECONDS + MEASURE_SECONDS)
    assert climb.capacity is not None
    assert climb.capacity.users == 39
    assert climb.capacity.jobs_per_second == 39.0


def test_a_failure_breaks_a_step_as_slowness_does() -> None:
    climb = Climb()
    run(climb, slow_from=10**9, failing_from=30)
    assert [step.users for step in climb.steps] == [20, 25, 31]
    assert climb.capacity is not None
    assert climb.capacity.users == 25


def test_a_climb_ends_at_the_most_users_it_was_given() -> None:
    climb = Climb(most_users=30)
    run(climb, slow_from=10**9)
    assert [step.users for step in climb.steps] == [20, 25, 30]
    assert all(step.held for step in climb.steps)
    low = Climb(most_users=5)
    run(low, slow_from=10**9)
    assert [step.users for step in low.steps] == [5]


def test_a_first_step_that_breaks_leaves_no_capacity() -> None:
    climb = Climb()
    run(climb, slow_from=1)
    assert climb.capacity is None


def test_a_step_in_which_no_job_ends_does_not_hold() -> None:
    climb = Climb()
    counts = Counts(Counter(), 0)
    assert [climb.users_at(second, counts) for second in (0, SETTLE_SECONDS)] == [FIRST_USERS, FIRST_USERS]
    assert climb.users_at(SETTLE_SECONDS + MEASURE_SECONDS, counts) is None
    assert not climb.steps[0].held
