"""Long and steady load on a system of its own, started as `make run` does: does anything grow that should not?

    python -m tests.bench.soak [--minutes 30] [--every 10] [--users 20] [--report DIR]

Jobs and results are kept for a tenth of the run (`JOB_TTL_SECONDS` and its kin), so that what expires keeps pace with
what comes, as in a system that has run for weeks. Watched are memory and descriptors of each process, the store's own
data and its keys; a series is flat if it has grown by no more than its tolerance over the last two thirds of the run.
After it, nothing may be in the store without a time-to-live, and nothing at all once the time has passed.

Exits with 1 where something was not flat, was left, or failed. All samples are kept as CSV.
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
from tests.bench.watching import TOLERANCES, Watch, Watched
from tests.e2e.test_local import local_run, url
from tests.programs import ROOT, free_port

REPORT = ROOT / ".cache/soak"

# Of a run, at its beginning: caches fill, pools are made, and what expires has not yet begun to.
WARMING_SHARE = 1 / 3

_LEAST_SAMPLES = 5

# What a load test may take beyond its length: people see the end of their jobs, and reports are written.
_LEAVING_SECONDS = 60

# Beyond the time-to-live: expired keys that nobody reads are found by the server's own rounds.
_EXPIRY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Options:
    seconds: float
    every: float
    users: int
    report: Path

    @property
    def ttl(self) -> int:
        """For how long jobs, results and idempotency keys are kept, in seconds."""
        return max(10, round(self.seconds / 10))


def main() -> int:
    options = _options()
    options.report.mkdir(parents=True, exist_ok=True)
    port = free_port()
    kept = str(options.ttl)
    expiry = dict.fromkeys(("JOB_TTL_SECONDS", "RESULT_TTL_SECONDS", "IDEMPOTENCY_TTL_SECONDS"), kept)
    with (
        tempfile.TemporaryDirectory() as folder,
        local_run(Path(folder), port, WORKERS="2", **expiry) as system,
    ):
        watch = Watch(psutil.Process(system.process.pid))
        passed = _load(watch, options, url(port))
        lasting = watch.lasting()
        left = _left(watch, options.ttl + _EXPIRY_SECONDS)
    _keep(watch, options.report / "samples.csv")
    return _report(watch, options, passed=passed, lasting=lasting, left=left)


def _options() -> Options:
    parser = argparse.ArgumentParser("python -m tests.bench.soak", description="Is anything growing?")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--every", type=float, default=10, metavar="SECONDS", help="between samples (%(default)s)")
    parser.add_argument("--users", type=int, default=20)
    parser.add_argument("--report", type=Path, default=REPORT, metavar="DIR")
    given = parser.parse_args()
    return Options(given.minutes * 60, given.every, given.users, given.report.absolute())


def _load(watch: Watch, options: Options, address: str) -> bool:
    """Watch while people are let in. Returns whether all held for them; their table is printed."""
    scenario = ["soak", "--run-time", f"{options.seconds:.0f}s", "--users", str(options.users)]
    command = [sys.executable, "-m", "loadtest", *scenario, "--host", address, "--report", str(options.report)]
    started = time.monotonic()
    load = subprocess.Popen(command, cwd=ROOT)
    try:
        while load.poll() is None:
            elapsed = time.monotonic() - started
            if elapsed > options.seconds + _LEAVING_SECONDS:
                return False
            if elapsed < options.seconds:
                watch.look(elapsed)
            _wait(load, options.every)
        return load.returncode == 0
    finally:
        if load.poll() is None:
            load.kill()


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _left(watch: Watch, seconds: float) -> list[str]:
    """What is still in the store when all has had the time to expire."""
    deadline = time.monotonic() + seconds
    while (left := watch.keys()) and time.monotonic() < deadline:
        time.sleep(1)
    return left


def _keep(watch: Watch, file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as output:
        rows = csv.writer(output)
        rows.writerow(["who", "pid", "unit", "seconds", "value"])
        for what, samples in watch.series.items():
            for sample in samples:
                rows.writerow([what.who, what.pid, what.unit, f"{sample.seconds:.1f}", f"{sample.value:.3f}"])


def _report(watch: Watch, options: Options, *, passed: bool, lasting: list[str], left: list[str]) -> int:
    print(f"\n{'':<20}{'pid':>8}{'usual':>10}{'most':>10}{'grown':>10}{'allowed':>10}")
    faults = [] if passed else ["the load test did not pass"]
    for what in sorted(watch.series, key=lambda what: (what.unit, what.who, what.pid)):
        samples = watch.since(options.seconds * WARMING_SHARE, what)
        if samples is None:
            # Valkey's fork lives for a moment, to write its file anew; whatever else was not there has died, or is new.
            if what.who != "valkey's child":
                faults.append(f"{_named(what)} was not there all the time")
            continue
        if len(samples) < _LEAST_SAMPLES:
            faults.append(f"only {len(samples)} samples of {_named(what)}: too few to tell")
            continue
        found = growth(samples, TOLERANCES[what.unit])
        mark = "" if found.is_flat else "   GREW"
        if not found.is_flat:
            faults.append(f"{_named(what)} grew by {found.grown:.1f}")
        print(
            f"{what.who:<20}{what.pid:>8}{found.usual:>10.1f}{found.most:>10.1f}{found.grown:>10.1f}"
            f"{found.allowed:>10.1f}  {what.unit}{mark}"
        )
    faults += [f"without a time-to-live: {', '.join(lasting[:10])} ({len(lasting)})"] if lasting else []
    faults += [f"left after {options.ttl} s: {', '.join(left[:10])} ({len(left)})"] if left else []
    print("\n" + ("\n".join(f"BROKEN  {fault}" for fault in faults) or "ok    all is flat, and all has expired"))
    return 1 if faults else 0


def _named(what: Watched) -> str:
    return f"{what.who} {what.pid} ({what.unit})"


if __name__ == "__main__":
    sys.exit(main())
