"""The criteria that a run must meet, and the summary table. Works on plain figures and does not import Locust."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from loadtest.job_sizes import HUGE
from loadtest.measurements import Measurement, Violation
from loadtest.report.histogram import merge, percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


_MEASUREMENTS = frozenset(Measurement)


class Outcome(StrEnum):
    """The result of a run."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    # Figures are missing, so the run says nothing about the system.
    BROKEN = "BROKEN"

    @property
    def exit_code(self) -> int:
        """The program's exit code: 0 only for a run that passed."""
        return {Outcome.PASSED: 0, Outcome.FAILED: 1, Outcome.BROKEN: 2}[self]


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of Locust's statistics."""

    request_type: str
    name: str
    count: int
    failures: int
    histogram_ms: Mapping[int, int]
    max_ms: float


@dataclass(frozen=True, slots=True)
class Criterion:
    """One requirement and the measured value. Without an essential one, the run says nothing about the system."""

    name: str
    measured: str
    required: str
    passed: bool
    is_essential: bool = False


@dataclass(frozen=True, slots=True)
class Thresholds:
    """A scenario's limits in addition to "no violations". None: not checked."""

    p95_ms: int | None
    max_failures: int | None = 0


def evaluate(
    entries: Sequence[Entry],
    thresholds: Thresholds,
    capacity_users: int | None = None,
    *,
    completed: bool = True,
    processes: tuple[int, int] = (1, 1),
) -> list[Criterion]:
    """All criteria of a run.

    Args:
        entries: the statistics of the run.
        thresholds: the scenario's limits.
        capacity_users: the measured capacity; None when the scenario does not measure one.
        completed: False for a run that was interrupted, which fails.
        processes: numbers of processes whose figures are complete, and of those that generate load.
    """
    reporting, expected = processes
    requests = sum(entry.count for entry in entries)
    criteria = [
        Criterion("processes reporting", str(reporting), f">= {expected}", reporting >= expected, is_essential=True),
        Criterion("requests", str(requests), "> 0", requests > 0, is_essential=True),
    ]
    criteria += [] if completed else [Criterion("run completed", "no", "yes", passed=False)]
    if thresholds.max_failures is not None:
        failures = sum(entry.failures for entry in entries if entry.request_type != Measurement.VIOLATION)
        limit = thresholds.max_failures
        criteria.append(Criterion("failures", str(failures), f"<= {limit}", failures <= limit))
    violations: Counter[str] = Counter()
    for entry in entries:
        if entry.request_type == Measurement.VIOLATION:
            violations[entry.name] += entry.count
    criteria += [Criterion(name, str(violations[name]), "0", violations[name] == 0) for name in Violation]
    jobs = job_histogram(entries)
    # A run without a finished job has measured nothing.
    criteria.append(Criterion("jobs completed", str(jobs.total()), "> 0", jobs.total() > 0))
    if thresholds.p95_ms is not None:
        p95 = percentile(jobs, 0.95)
        passed = p95 is not None and p95 <= thresholds.p95_ms
        criteria.append(Criterion("p95 submit to final", f"{format_ms(p95)} ms", f"<= {thresholds.p95_ms} ms", passed))
    if capacity_users is not None:
        criteria.append(Criterion("capacity", f"{capacity_users} users", "> 0 users", capacity_users > 0))
    return criteria


def job_histogram(entries: Iterable[Entry]) -> Counter[int]:
    """Time from submission to the final state, of all jobs except huge ones, which take long by design."""
    return merge(
        entry.histogram_ms for entry in entries if entry.request_type == Measurement.JOB and entry.name != HUGE.name
    )


def format_summary(title: str, seconds: float, entries: Sequence[Entry], criteria: Sequence[Criterion]) -> str:
    """The summary that is printed at the end and saved as summary.txt."""
    lines = [f"{'':<36}{'count':>9}{'failed':>8}{'/s':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}  ms"]
    named = [(entry.request_type in _MEASUREMENTS, _label(entry), entry) for entry in entries]
    for _, name, entry in sorted(named, key=lambda row: row[:2]):
        rate = entry.count / seconds if seconds else 0.0
        times = "".join(f"{format_ms(percentile(entry.histogram_ms, share)):>8}" for share in (0.5, 0.95, 0.99))
        lines.append(f"{name:<36}{entry.count:>9}{entry.failures:>8}{rate:>8.1f}{times}{entry.max_ms:>8.0f}")
    jobs = job_histogram(entries).total()
    lines.append("")
    for criterion in criteria:
        result = "PASS" if criterion.passed else "FAIL"
        lines.append(f"{result}  {criterion.name:<22}{criterion.measured:>12}   required {criterion.required}")
    rate = jobs / seconds if seconds else 0.0
    head = f"{title}: {outcome(criteria)} - {jobs} jobs in {seconds:.0f} s, {rate:.1f} jobs/s"
    return "\n".join((head, "", *lines))


def outcome(criteria: Sequence[Criterion]) -> Outcome:
    """The result of a run."""
    failed = [criterion for criterion in criteria if not criterion.passed]
    if any(criterion.is_essential for criterion in failed):
        return Outcome.BROKEN
    return Outcome.FAILED if failed else Outcome.PASSED


def format_ms(milliseconds: int | None) -> str:
    """A number for a table; a dash when nothing was measured."""
    return "-" if milliseconds is None else str(milliseconds)


def _label(entry: Entry) -> str:
    return f"{entry.request_type} {entry.name}" if entry.request_type in _MEASUREMENTS else entry.name
