"""Soak test: steady load on a system started like `make run`, to detect growth of memory, descriptors or keys.

    python -m tests.bench.soak [--minutes 30] [--every 10] [--users 20] [--report DIR]

Jobs and results are kept for a tenth of the run (JOB_TTL_SECONDS, RESULT_TTL_SECONDS, IDEMPOTENCY_TTL_SECONDS), so
that the run reaches a steady state. It measures memory and file descriptors of each process, and memory and keys of the
store. A series is flat if it grows by at most its tolerance over the last two thirds of the run. Afterwards no key may
lack a time-to-live, and the store must be empty when all keys have expired.

Exits with 1 if a series grew, a key remained, or the load test failed. All samples are saved as CSV.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.bench.flatness import growth
from tests.bench.system_monitor import TOLERANCES, Measurement, SystemMonitor
from tests.bench.table import aligned
from tests.e2e.test_local import local_run, url
from tests.programs import ROOT, free_port

REPORT = ROOT / ".cache/soak"

# Share of the run that is ignored: caches and pools fill, and nothing has expired yet.
WARM_UP_SHARE = 1 / 3

_MIN_SAMPLES = 5

# Seconds for users to finish their jobs and for reports to be written.
_STOP_SECONDS = 60

# Seconds beyond the time-to-live: the server removes expired keys that are not read in periodic cycles.
_EXPIRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    sample_seconds: float
    users: int
    report: Path

    @property
    def ttl(self) -> int:
        """Seconds to keep jobs, results and idempotency keys."""
        return max(10, round(self.seconds / 10))

    @property
    def last_ttl(self) -> int:
        """Seconds until the last key expires: those that jobs share live twice as long."""
        return 2 * self.ttl


def main() -> int:
    options = _options()
    options.report.mkdir(parents=True, exist_ok=True)
    port = free_port()
    ttl = str(options.ttl)
    expiry = dict.fromkeys(("JOB_TTL_SECONDS", "RESULT_TTL_SECONDS", "IDEMPOTENCY_TTL_SECONDS"), ttl)
    with (
        tempfile.TemporaryDirectory() as folder,
        local_run(Path(folder), port, WORKERS="2", **expiry) as system,
    ):
        monitor = SystemMonitor(psutil.Process(system.process.pid))
        passed = _run_load(monitor, options, url(port))
        without_ttl = monitor.keys_without_ttl()
        remaining = _remaining_keys(monitor, options.last_ttl + _EXPIRY_SECONDS)
    _save_samples(monitor, options.report / "samples.csv")
    return _report(monitor, options, passed=passed, without_ttl=without_ttl, remaining=remaining)


def _options() -> Options:
    parser = argparse.ArgumentParser(
        "python -m tests.bench.soak",
        description="Check that memory, file descriptors and keys do not grow under steady load.",
    )
    parser.add_argument("--minutes", type=float, default=30, help="duration of the load (%(default)s)")
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS", help="interval of samples (%(default)s)")
    parser.add_argument("--users", type=int, default=20, help="number of simulated users (%(default)s)")
    parser.add_argument("--report", type=Path, default=REPORT, metavar="DIR", help="folder for reports and samples")
    given = parser.parse_args()
    return Options(given.minutes * 60, given.every, given.users, given.report.absolute())


def _run_load(monitor: SystemMonitor, options: Options, address: str) -> bool:
    """Sample while the load test runs and prints its summary. Returns whether it passed."""
    scenario = ["soak", "--run-time", f"{options.seconds:.0f}s", "--users", str(options.users)]
    command = [sys.executable, "-m", "loadtest", *scenario, "--host", address, "--report", str(options.report)]
    started = time.monotonic()
    load = subprocess.Popen(command, cwd=ROOT)
    try:
        while load.poll() is None:
            elapsed = time.monotonic() - started
            if elapsed > options.seconds + _STOP_SECONDS:
                return False
            if elapsed < options.seconds:
                monitor.sample(elapsed)
            _wait(load, options.sample_seconds)
        return load.returncode == 0
    finally:
        if load.poll() is None:
            load.kill()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _remaining_keys(monitor: SystemMonitor, seconds: float) -> list[str]:
    """The keys that are still in the store after the time for expiry."""
    deadline = time.monotonic() + seconds
    while (remaining := monitor.keys()) and time.monotonic() < deadline:
        time.sleep(1)
    return remaining


def _save_samples(monitor: SystemMonitor, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as output:
        rows = csv.writer(output)
        rows.writerow(["process", "pid", "unit", "seconds", "value"])
        for measurement, samples in monitor.series.items():
            key = [measurement.process, measurement.pid, measurement.unit]
            rows.writerows([*key, f"{sample.seconds:.1f}", f"{sample.value:.3f}"] for sample in samples)


def _report(
    monitor: SystemMonitor, options: Options, *, passed: bool, without_ttl: list[str], remaining: list[str]
) -> int:
    lines: list[tuple[str, ...]] = [("", "pid", "median", "max", "grown", "allowed", "", "")]
    failures = [] if passed else ["the load test failed"]
    for measurement in sorted(monitor.series, key=lambda key: (key.unit, key.process, key.pid)):
        samples = monitor.since(options.seconds * WARM_UP_SHARE, measurement)
        if samples is None:
            # Valkey's child process exists only while it rewrites its file. Any other process has died or is new.
            if measurement.process != "valkey's child":
                failures.append(f"{_label(measurement)} did not run all the time")
            continue
        if len(samples) < _MIN_SAMPLES:
            failures.append(f"{len(samples)} samples of {_label(measurement)}, at least {_MIN_SAMPLES} are required")
            continue
        found = growth(samples, TOLERANCES[measurement.unit])
        if not found.is_flat:
            failures.append(f"{_label(measurement)} grew by {found.grown:.1f}")
        figures = (found.median, found.maximum, found.grown, found.allowed)
        shown = (str(measurement.pid), *(f"{figure:.1f}" for figure in figures), measurement.unit)
        lines.append((measurement.process, *shown, "" if found.is_flat else "FAIL"))
    print("\n" + aligned(lines, left=(0, 6, 7)))
    if without_ttl:
        failures.append(f"{len(without_ttl)} keys without a time-to-live: {', '.join(without_ttl[:10])}")
    if remaining:
        failures.append(f"{len(remaining)} keys left after {options.last_ttl} s: {', '.join(remaining[:10])}")
    print("\n" + ("\n".join(f"FAIL  {failure}" for failure in failures) or "PASS  no growth, and all keys expired"))
    return 1 if failures else 0


def _label(measurement: Measurement) -> str:
    return f"{measurement.process} {measurement.pid} ({measurement.unit})"


if __name__ == "__main__":
    sys.exit(main())
