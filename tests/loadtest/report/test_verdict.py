"""Which runs pass, and what the summary prints."""

from __future__ import annotations

import pytest

from loadtest.measurements import Violation
from loadtest.report.verdict import Criterion, Entry, Outcome, Thresholds, evaluate, format_summary, outcome
from loadtest.scenarios.step_load import Step, StepLoad, format_steps


def entry(request_type: str, name: str, times: dict[int, int], failures: int = 0) -> Entry:
    return Entry(request_type, name, sum(times.values()), failures, times, max(times))


P95_BELOW_250 = Thresholds(p95_ms=250)
VIOLATIONS_ONLY = Thresholds(p95_ms=None, max_failures=None)

GOOD = [entry("POST", "GraphQL generatePrimes", {5: 20}), entry("JOB", "small", {40: 19, 300: 1})]


def failed_criteria(criteria: list[Criterion]) -> list[str]:
    return [criterion.name for criterion in criteria if not criterion.passed]


def test_a_run_within_its_limits_passes() -> None:
    criteria = evaluate(GOOD, P95_BELOW_250)
    assert failed_criteria(criteria) == []
    text = format_summary("light", 10, GOOD, criteria)
    assert text.startswith("light: PASSED - 20 jobs in 10 s, 2.0 jobs/s")
    assert "FAIL" not in text


def test_one_failed_request_fails_the_run() -> None:
    failed = [*GOOD, entry("GET", "REST /status/{request_id}", {5: 1}, failures=1)]
    criteria = evaluate(failed, P95_BELOW_250)
    assert failed_criteria(criteria) == ["failures"]
    assert format_summary("light", 10, failed, criteria).startswith("light: FAILED")


@pytest.mark.parametrize("violation", Violation)
def test_one_violation_fails_the_run_by_its_name(violation: Violation) -> None:
    violations = Entry("VIOLATION", violation, 1, 1, {}, 0)
    for thresholds in (P95_BELOW_250, VIOLATIONS_ONLY):
        assert failed_criteria(evaluate([*GOOD, violations], thresholds)) == [violation]


def test_slow_jobs_fail_the_run_at_p95() -> None:
    at_the_limit = [entry("JOB", "small", {250: 18, 9_000: 1, 10: 1})]
    assert failed_criteria(evaluate(at_the_limit, P95_BELOW_250)) == []
    assert failed_criteria(evaluate([entry("JOB", "small", {10: 18, 260: 2})], P95_BELOW_250)) == [
        "p95 submit to final"
    ]


def test_p95_covers_all_sizes_except_huge() -> None:
    slow = entry("JOB", "large", {900: 20})
    assert failed_criteria(evaluate([*GOOD, slow], P95_BELOW_250)) == ["p95 submit to final"]
    assert failed_criteria(evaluate([*GOOD, entry("JOB", "huge", {9_000: 20})], P95_BELOW_250)) == []


def test_a_run_without_a_finished_job_fails() -> None:
    assert failed_criteria(evaluate(GOOD[:1], P95_BELOW_250)) == ["jobs completed", "p95 submit to final"]
    assert failed_criteria(evaluate([], VIOLATIONS_ONLY)) == ["requests", "jobs completed"]


@pytest.mark.parametrize(
    ("entries", "processes"), [(GOOD, (1, 2)), (GOOD, (0, 1)), ([], (1, 1))], ids=["one of two", "none", "no samples"]
)
def test_a_run_without_the_figures_of_all_processes_is_broken(entries: list[Entry], processes: tuple[int, int]) -> None:
    criteria = evaluate(entries, VIOLATIONS_ONLY, processes=processes)
    assert outcome(criteria) is Outcome.BROKEN
    assert outcome(criteria).exit_code == 2
    assert format_summary("light", 10, entries, criteria).startswith("light: BROKEN")
    assert outcome(evaluate(GOOD, VIOLATIONS_ONLY, processes=(2, 2))).exit_code == 0
    assert outcome(evaluate(GOOD, VIOLATIONS_ONLY, completed=False)).exit_code == 1


def test_an_interrupted_run_fails() -> None:
    assert failed_criteria(evaluate(GOOD, P95_BELOW_250, completed=False)) == ["run completed"]


def test_a_step_run_passes_when_it_found_a_capacity() -> None:
    step_load = StepLoad(steps=[Step(20, 10.0, 40, 0), Step(25, 12.5, 240, 0), Step(31, 13.0, 700, 0)])
    failing = [*GOOD, entry("POST", "GraphQL job page", {5: 1}, failures=1)]
    assert failed_criteria(evaluate(failing, VIOLATIONS_ONLY, step_load.capacity_users)) == []
    assert "Capacity: 25 users, 12.5 jobs/s at p95 240 ms\n" in format_steps(step_load) + "\n"
    failing_at_once = StepLoad(steps=[Step(20, 0.0, None, 3)])
    assert failed_criteria(evaluate(GOOD, VIOLATIONS_ONLY, failing_at_once.capacity_users)) == ["capacity"]
    assert "Capacity: unknown, the first step missed the objective" in format_steps(failing_at_once)
