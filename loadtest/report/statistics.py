"""Reads Locust's statistics, and stores the summary next to Locust's reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from loadtest.report.verdict import Entry

if TYPE_CHECKING:
    from locust.stats import RequestStats


def read_entries(stats: RequestStats) -> list[Entry]:
    """A copy of Locust's statistics; on the master, those of all worker processes."""
    return [
        Entry(
            request_type=entry.method,
            name=entry.name,
            count=entry.num_requests,
            failures=entry.num_failures,
            histogram_ms=dict(entry.response_times),
            max_ms=entry.max_response_time,
        )
        for entry in stats.entries.values()
    ]


def format_errors(stats: RequestStats) -> list[str]:
    """One line for each kind of failure, the most frequent first."""
    errors = sorted(stats.errors.values(), key=lambda error: -error.occurrences)
    return [f"{error.occurrences:>8} x {error.method} {error.name}: {error.error}" for error in errors]


def save_summary(text: str, html_file: str | None) -> None:
    """Write summary.txt into the folder of the HTML report, if there is one."""
    if html_file:
        folder = Path(html_file).parent
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.txt").write_text(f"{text}\n", encoding="utf-8")
