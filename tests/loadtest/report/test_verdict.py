"""What passes and what fails, and that the table says so."""

from __future__ import annotations

import pytest

from loadtest.report.verdict import Bounds, Criterion, Entry, judge, steps_table, table
from loadtest.scenarios.step_load import Step, StepLoad
from loadtest.users.final_events import Violation


def entry(kind: str, name: str, times: dict[int, int], failures: int = 0) -> Entry:
    return Entry(kind, name, sum(times.values()), failures, times, max(times))


GOOD = [entry("POST", "GraphQL generatePrimes", {5: 20}), entry("JOB", "small", {40: 19, 300: 1})]


def broken(criteria: list[Criterion]) -> list[str]:
    return [criterion.name for criterion in criteria if not criterion.holds]


def test_a_good_run_passes() -> None:
    criteria = judge(GOOD, Bounds(p95_ms=250))
    assert broken(criteria) == []
    text = table("light", 10, GOOD, criteria)
    assert text.startswith("light: passed - 20 jobs in 10 s, 2.0 a second")
    assert "BROKEN" not in text


def test_one_failed_request_fails_the_run() -> None:
    failed = [*GOOD, entry("GET", "REST /status/{request_id}", {5: 1}, failures=1)]
    criteria = judge(failed, Bounds(p95_ms=250))
    assert broken(criteria) == ["failures"]
    assert table("light", 10, failed, criteria).startswith("light: FAILED")


@pytest.mark.parametrize("violation", Violation)
def test_one_violation_fails_the_run_under_its_own_name(violation: Violation) -> None:
    seen = Entry("VIOLATION", violation, 1, 1, {}, 0)
    for bounds in (Bounds(p95_ms=250), Bounds(p95_ms=None, failures=None)):
        assert broken(judge([*GOOD, seen], bounds)) == [violation]


def test_slow_jobs_fail_the_run_at_p95() -> None:
    at_the_bound = [entry("JOB", "small", {250: 18, 9_000: 1, 10: 1})]
    assert broken(judge(at_the_bound, Bounds(p95_ms=250))) == []
    assert broken(judge([entry("JOB", "small", {10: 18, 260: 2})], Bounds(p95_ms=250))) == ["p95 submit to final"]


def test_all_sizes_are_judged_together_but_huge_ones_not_at_all() -> None:
    slow = entry("JOB", "large", {900: 20})
    assert broken(judge([*GOOD, slow], Bounds(p95_ms=250))) == ["p95 submit to final"]
    assert broken(judge([*GOOD, entry("JOB", "huge", {9_000: 20})], Bounds(p95_ms=250))) == []


def test_a_run_without_a_finished_job_has_shown_nothing() -> None:
    assert broken(judge(GOOD[:1], Bounds(p95_ms=250))) == ["jobs done", "p95 submit to final"]
    assert broken(judge([], Bounds(p95_ms=None, failures=None))) == ["jobs done"]


def test_a_run_that_was_interrupted_does_not_pass() -> None:
    assert broken(judge(GOOD, Bounds(p95_ms=250), to_the_end=False)) == ["run to its end"]


def test_a_climb_passes_by_what_held_and_its_capacity_is_told() -> None:
    step_load = StepLoad(steps=[Step(20, 10.0, 40, 0), Step(25, 12.5, 240, 0), Step(31, 13.0, 700, 0)])
    failing = [*GOOD, entry("POST", "GraphQL job page", {5: 1}, failures=1)]
    assert broken(judge(failing, Bounds(p95_ms=None, failures=None), step_load)) == []
    assert "Capacity: 25 users, 12.5 jobs/s at p95 240 ms\n" in steps_table(step_load) + "\n"
    hopeless = StepLoad(steps=[Step(20, 0.0, None, 3)])
    assert broken(judge(GOOD, Bounds(p95_ms=None, failures=None), hopeless)) == ["capacity"]
    assert "Capacity: none" in steps_table(hopeless)
