"""What one API process, one store and one worker carry, calculated from the rows of tiny jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.performance.http_rows import SUBMIT, SUBMIT_COST, SUBMIT_STORE_COST
from tests.bench.performance.job_rows import DRAIN, DRAIN_COST, DRAIN_STORE_COST, JOB_MEMORY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.bench.performance.rows import Row


def markdown(rows: Sequence[Row], environment: Mapping[str, object]) -> str:
    """A table for docs/scaling.md."""
    figure = {row.name: row.value for row in rows}
    store_us = figure[SUBMIT_STORE_COST] + figure[DRAIN_STORE_COST]
    lines = [
        ("One", "For a tiny job", "Carries"),
        ("---",) * 3,
        (
            "API process, one core",
            f"{figure[SUBMIT_COST]:,.0f} us to submit it",
            f"{figure[SUBMIT]:,.0f} submissions/s (measured)",
        ),
        (
            "store, one core",
            f"{figure[SUBMIT_STORE_COST]:,.0f} us to submit it, {figure[DRAIN_STORE_COST]:,.0f} us to run it",
            f"{1e6 / store_us:,.0f} jobs/s (calculated: one core fully used)",
        ),
        (
            "worker, two processes",
            f"{figure[DRAIN_COST]:,.0f} us to run it",
            f"{figure[DRAIN]:,.0f} jobs/s (measured, with the store on the same cores)",
        ),
        (
            "GiB of the store's memory",
            f"{figure[JOB_MEMORY]:,.0f} bytes while its record is kept",
            f"{2**30 / figure[JOB_MEMORY]:,.0f} jobs",
        ),
    ]
    refused = sum(row.is_refused for row in rows)
    notes = f"Measured by `make bench` on {environment['measured']}: {environment['machine']}; {refused} rows refused."
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + f"\n\n{notes}"
