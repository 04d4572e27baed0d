"""The performance of the system on one page, beside what the machine allows and beside a naive system.

    python -m tests.bench.performance [--only WORD] [--telemetry] [--write-docs]

Everything alternates in short turns in one run, so compare within a row: a ratio holds on other machines, a figure does
not. A row is measured again if other processes used the machine meanwhile, and refused if they still do.

Exits with 1 if a target is missed, or if a row with a target is refused.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from tests import programs
from tests.bench.performance import capacity, http_rows, job_rows, report
from tests.bench.performance.machine import CORES, OtherLoad, description, prioritise
from tests.bench.performance.systems import Systems, systems

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.bench.performance.rows import Row

REPORT = programs.ROOT / ".cache/bench/performance.json"
PERFORMANCE, SCALING = programs.ROOT / "docs/performance.md", programs.ROOT / "docs/scaling.md"

# Measurements of rows that others disturb, and seconds after which none is repeated.
ATTEMPTS = 3
REPEATING_SECONDS = 200


@dataclass(frozen=True, slots=True)
class Measurement:
    """Rows that are measured together, and repeated together if other processes disturb them."""

    name: str
    measure: Callable[[Systems], Sequence[Row]]
    # Whether the web process has its own core.
    is_pinned: bool = True
    workers: bool = False


MEASUREMENTS = (
    Measurement("submit", http_rows.submit_with_variables),
    Measurement("document without a plan", http_rows.submit_without_plan),
    Measurement("document, new", http_rows.submit_new_document),
    Measurement("rest", http_rows.submit_by_rest),
    Measurement("telemetry", http_rows.submit_with_telemetry),
    Measurement("web workers", http_rows.submit_to_two_processes),
    Measurement("no-op", http_rows.no_operation, workers=True),
    Measurement("reads", http_rows.reads, workers=True),
    Measurement("latency", job_rows.latency, is_pinned=False, workers=True),
    Measurement("drain", job_rows.drain, is_pinned=False, workers=True),
    Measurement("results", job_rows.results, is_pinned=False, workers=True),
    Measurement("compute", job_rows.compute, is_pinned=False, workers=True),
)


def main() -> int:
    options = _options()
    # Also stops the programs that run.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    started_at = time.monotonic()
    environment = {
        "measured": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": description(),
        "telemetry": "on" if options.telemetry else "off",
        "priority": f"nice {options.nice}" if prioritise([os.getpid()], options.nice) else "not permitted",
        "load before": f"{os.getloadavg()[0]:.1f} of {len(CORES)} cores",
    }
    rows: list[Row] = []
    for workers in (False, True):
        chosen = [one for one in MEASUREMENTS if one.workers is workers and options.only in one.name]
        if not chosen:
            continue
        with (
            tempfile.TemporaryDirectory(prefix="bench-") as folder,
            systems(Path(folder), options.nice, workers=workers, telemetry=options.telemetry) as running,
        ):
            for one in chosen:
                found = _measure(one, running, options.max_noise, started_at + REPEATING_SECONDS)
                # Progress. The page follows at the end.
                print(report.table(found), end="\n\n", file=sys.stderr, flush=True)
                rows += found
    environment["duration"] = f"{time.monotonic() - started_at:.0f} s"
    print(report.table(rows))
    print("\n" + "\n".join(f"{name}: {value}" for name, value in environment.items()))
    report.write_json(options.json, rows, environment)
    if options.write_docs:
        report.write_markdown(PERFORMANCE, report.markdown(rows, environment))
        report.write_markdown(SCALING, capacity.markdown(rows, environment))
    return int(any(row.target and row.verdict != "met" for row in rows))


def _options() -> argparse.Namespace:
    names = ", ".join(one.name for one in MEASUREMENTS)
    parser = argparse.ArgumentParser("python -m tests.bench.performance")
    parser.add_argument("--only", default="", metavar="TEXT", help=f"measure what has this in its name: {names}")
    parser.add_argument("--telemetry", action="store_true", help="measure this system with all telemetry exported")
    parser.add_argument("--write-docs", action="store_true", help="write tables to docs/performance.md and scaling.md")
    parser.add_argument("--json", type=Path, default=REPORT, help="where to write the figures (default: %(default)s)")
    parser.add_argument("--nice", type=int, default=-10, help="priority of the benchmark (default: %(default)s)")
    parser.add_argument("--max-noise", type=float, default=0.1, help="cores that others may use (default: %(default)s)")
    found = parser.parse_args()
    if found.write_docs and found.only:
        parser.error("--write-docs needs all rows, without --only")
    return found


def _measure(measurement: Measurement, running: Systems, max_noise: float, repeat_until: float) -> list[Row]:
    """The rows of the attempt that others disturbed least."""
    attempts: list[tuple[float, Sequence[Row]]] = []
    while not attempts or (
        attempts[-1][0] > max_noise and len(attempts) < ATTEMPTS and time.monotonic() < repeat_until
    ):
        running.pin() if measurement.is_pinned else running.unpin()
        others = OtherLoad.start()
        rows = measurement.measure(running)
        attempts.append((others.cores(), rows))
    noise, rows = min(attempts, key=lambda attempt: attempt[0])
    return [replace(row, noise=noise, is_refused=noise > max_noise) for row in rows]


if __name__ == "__main__":
    sys.exit(main())
