"""Whether a run passed, and the one table that shows it. Pure: knows figures, not Locust."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadtest.job_sizes import HUGE
from loadtest.measurements import Kind
from loadtest.report.histogram import merged, percentile
from loadtest.users.final_events import Violation

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from loadtest.scenarios.step_load import StepLoad


KINDS = frozenset(Kind)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of Locust's statistics."""

    kind: str
    name: str
    count: int
    failures: int
    histogram_ms: Mapping[int, int]
    longest_ms: float


@dataclass(frozen=True, slots=True)
class Criterion:
    """One thing that must hold, and what was seen."""

    name: str
    seen: str
    wanted: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a scenario asks for beyond that nothing is lost, repeated or wrong. None: not judged."""

    p95_ms: int | None
    failures: int | None = 0


def judge(
    entries: Sequence[Entry], bounds: Bounds, step_load: StepLoad | None = None, *, to_the_end: bool = True
) -> list[Criterion]:
    """All that must hold for the run to pass; one that was interrupted does not."""
    found = [] if to_the_end else [Criterion("run to its end", "no", "yes", holds=False)]
    if bounds.failures is not None:
        failures = sum(entry.failures for entry in entries if entry.kind != Kind.VIOLATION)
        found.append(Criterion("failures", str(failures), f"<= {bounds.failures}", failures <= bounds.failures))
    violations: Counter[str] = Counter()
    for entry in entries:
        if entry.kind == Kind.VIOLATION:
            violations[entry.name] += entry.count
    found += [Criterion(kind, str(violations[kind]), "0", violations[kind] == 0) for kind in Violation]
    jobs = jobs_ms(entries)
    # A run in which no job came to its end has shown nothing.
    found.append(Criterion("jobs done", str(jobs.total()), "> 0", jobs.total() > 0))
    if bounds.p95_ms is not None:
        p95 = percentile(jobs, 0.95)
        holds = p95 is not None and p95 <= bounds.p95_ms
        found.append(Criterion("p95 submit to final", f"{_ms(p95)} ms", f"<= {bounds.p95_ms} ms", holds))
    if step_load is not None:
        users = step_load.capacity.users if step_load.capacity else 0
        found.append(Criterion("capacity", f"{users} users", "> 0 users", users > 0))
    return found


def jobs_ms(entries: Iterable[Entry]) -> Counter[int]:
    """Submit-to-final of all jobs but huge ones, whose time is theirs by right."""
    return merged(entry.histogram_ms for entry in entries if entry.kind == Kind.JOB and entry.name != HUGE.name)


def table(title: str, seconds: float, entries: Sequence[Entry], criteria: Sequence[Criterion]) -> str:
    """The summary that is printed at the end, and kept beside the reports."""
    lines = [f"{'':<36}{'count':>9}{'failed':>8}{'/s':>8}{'p50':>8}{'p95':>8}{'p99':>8}{'max':>8}  ms"]
    named = [(entry.kind in KINDS, _shown(entry), entry) for entry in entries]
    for _, name, entry in sorted(named, key=lambda row: row[:2]):
        rate = entry.count / seconds if seconds else 0.0
        times = "".join(f"{_ms(percentile(entry.histogram_ms, share)):>8}" for share in (0.5, 0.95, 0.99))
        lines.append(f"{name:<36}{entry.count:>9}{entry.failures:>8}{rate:>8.1f}{times}{entry.longest_ms:>8.0f}")
    jobs = jobs_ms(entries).total()
    lines.append("")
    for criterion in criteria:
        mark = "ok    " if criterion.holds else "BROKEN"
        lines.append(f"{mark}  {criterion.name:<22}{criterion.seen:>12}   wanted {criterion.wanted}")
    result = "passed" if all(criterion.holds for criterion in criteria) else "FAILED"
    rate = jobs / seconds if seconds else 0.0
    head = f"{title}: {result} - {jobs} jobs in {seconds:.0f} s, {rate:.1f} a second"
    return "\n".join((head, "", *lines))


def steps_table(step_load: StepLoad) -> str:
    """The steps of a climb, and the capacity in one sentence."""
    lines = [f"{'users':>8}{'jobs/s':>10}{'p95 ms':>10}{'failures':>10}"]
    lines += [
        f"{step.users:>8}{step.jobs_per_second:>10.1f}{_ms(step.p95_ms):>10}{step.failures:>10}"
        + ("" if step.held else "   broken")
        for step in step_load.steps
    ]
    best = step_load.capacity
    if best is None:
        lines.append("Capacity: none, the first step did not hold")
    else:
        more = "" if any(not step.held for step in step_load.steps) else " or more: the objective did not break"
        lines.append(f"Capacity: {best.users} users, {best.jobs_per_second:.1f} jobs/s at p95 {best.p95_ms} ms{more}")
    return "\n".join(lines)


def _shown(entry: Entry) -> str:
    return f"{entry.kind} {entry.name}" if entry.kind in KINDS else entry.name


def _ms(milliseconds: int | None) -> str:
    return "-" if milliseconds is None else str(milliseconds)
