"""From Locust's statistics to the verdict: what is printed at the end, kept beside the reports, and the exit code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.report.verdict import Entry

if TYPE_CHECKING:
    from locust.stats import RequestStats


def entries_of(stats: RequestStats) -> list[Entry]:
    """A copy of what Locust has counted, over all processes if it is asked on the master."""
    return [
        Entry(
            kind=entry.method,
            name=entry.name,
            count=entry.num_requests,
            failures=entry.num_failures,
            histogram_ms=dict(entry.response_times),
            longest_ms=entry.max_response_time,
        )
        for entry in stats.entries.values()
    ]


def errors_of(stats: RequestStats) -> list[str]:
    """What failed how often, most often first."""
    found = sorted(stats.errors.values(), key=lambda error: -error.occurrences)
    return [f"{error.occurrences:>8} x {error.method} {error.name}: {error.error}" for error in found]


def keep(text: str, html_file: str | None) -> None:
    """Beside the HTML report, if there is one."""
    if html_file:
        folder = Path(html_file).parent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.txt").write_text(f"{text}\n", encoding="utf-8")
