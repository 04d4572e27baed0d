"""Replays and searches histories.

python -m tests.simulation 4711             replay a seed, and print its shortest history that violates an invariant
python -m tests.simulation --histories 1000 search new seeds, in as many processes as there are cores
python -m tests.simulation --control no-fencing --histories 1000
"""

from __future__ import annotations

import argparse
import resource
import secrets
import signal
import sys
import time

from tests.simulation.controls import CONTROLS, NO_CONTROL
from tests.simulation.runner import Summary, new_world, run_many, run_seed, run_seeds, shrink

# Seeds are below this, so that they are short to type.
MAX_SEED = 10**9


def main() -> int:
    options = _options()
    # Servers and other processes end in any case, folders only if the blocks that made them do.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    if options.seed is not None:
        return _replay(options.seed, options.control)
    first = secrets.randbelow(MAX_SEED)
    started_at = time.monotonic()
    if options.control:
        summary = run_seeds(options.control, range(first, first + options.histories))
    else:
        summary = run_many(first, options.histories)
    seconds = time.monotonic() - started_at
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(
        f"{summary.histories} histories from seed {first}, {summary.steps} steps in {seconds:.0f} s, "
        f"{children.ru_utime + children.ru_stime:.0f} s of CPU"
    )
    for seed, violation in summary.violations.items():
        print(f"seed {seed}: {violation}")
    if options.table:
        print(_table(summary))
    return int(bool(summary.violations))


def _replay(seed: int, control: str | None) -> int:
    with new_world(CONTROLS[control] if control else NO_CONTROL) as created:
        history, violation = run_seed(created, seed)
        if violation is not None:
            history, violation = shrink(created, seed)
        print("\n".join(history.report))
    print(violation or "all invariants hold")
    return int(violation is not None)


def _table(summary: Summary) -> str:
    lines = ["", "| action | times |", "|---|---|"]
    lines += [f"| {name} | {count} |" for name, count in summary.actions.most_common()]
    lines += ["", "| branch | times | histories |", "|---|---|---|"]
    lines += [
        f"| `{name.replace('|', '→')}` | {count} | {summary.spread[name]} |"
        for name, count in sorted(summary.branches.items())
    ]
    return "\n".join(lines)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m tests.simulation")
    parser.add_argument("seed", nargs="?", type=int, help="replay the history of this seed")
    parser.add_argument("--histories", type=int, default=1000, help="number of new seeds (default: %(default)s)")
    parser.add_argument("--control", choices=CONTROLS, help="without this safeguard; ends at the first violation")
    parser.add_argument("--table", action="store_true", help="print how often each action and branch was taken")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
