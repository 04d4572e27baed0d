"""Runs many histories in several processes, and makes a failed one short."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import TYPE_CHECKING

from tests import programs
from tests.simulation.controls import CONTROLS, NO_CONTROL, Control
from tests.simulation.history import History, ViolationError
from tests.simulation.orphans import end_with_parent
from tests.simulation.world.shared import world
from tests.simulation.world.store import SOCKET

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.simulation.world.shared import World


@dataclass(slots=True)
class Summary:
    """What several histories did."""

    histories: int = 0
    # How often each action and branch was taken, and in how many histories each branch was.
    actions: Counter[str] = field(default_factory=Counter)
    branches: Counter[str] = field(default_factory=Counter)
    spread: Counter[str] = field(default_factory=Counter)
    # By seed.
    violations: dict[int, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return self.actions.total()

    def add(self, other: Summary) -> None:
        self.histories += other.histories
        # Also those at zero.
        for mine, theirs in (
            (self.actions, other.actions),
            (self.branches, other.branches),
            (self.spread, other.spread),
        ):
            for name, count in theirs.items():
                mine[name] += count
        self.violations |= other.violations


@contextmanager
def new_world(control: Control = NO_CONTROL, parent: str | None = None) -> Iterator[World]:
    """A world with its own server, whose folder is in another folder, without a safeguard."""
    end = partial(end_with_parent, os.getpid())
    with (
        tempfile.TemporaryDirectory(prefix="simulation-", dir=parent) as folder,
        programs.valkey(Path(folder), before_exec=end, appendonly="no", unixsocket=str(Path(folder, SOCKET))) as valkey,
        world(valkey, control.texts) as created,
        control.applied(),
    ):
        yield created


def run_seed(created: World, seed: int, kept: Mapping[int, str] | None = None) -> tuple[History, str | None]:
    """Run one history. Returns it, and the first violated invariant."""
    history = History(created, seed)
    try:
        history.run(kept)
    except ViolationError as error:
        return history, str(error)
    return history, None


def run_seeds(control: str | None, seeds: Iterable[int], folder: str | None = None) -> Summary:
    """Run histories one after the other. Ends at the first that a control violates."""
    summary = Summary()
    with new_world(CONTROLS[control] if control else NO_CONTROL, folder) as created:
        for seed in seeds:
            history, violation = run_seed(created, seed)
            summary.histories += 1
            summary.actions.update(dict.fromkeys(history.possible, 0) | history.actions)
            for label, taken in created.branches.collect():
                summary.branches[label] += taken
                summary.spread[label] += bool(taken)
            if violation is not None:
                summary.violations[seed] = violation
                if control:
                    break
                print(f"seed {seed}: {violation}", file=sys.stderr, flush=True)
    return summary


def run_many(first: int, count: int) -> Summary:
    """Run the histories of consecutive seeds in as many processes as there are cores."""
    cores = os.cpu_count() or 1
    summary = Summary()
    with (
        tempfile.TemporaryDirectory(prefix="simulation-") as folder,
        ProcessPoolExecutor(cores, get_context("spawn"), end_with_parent, (os.getpid(),)) as pool,
    ):
        try:
            running = [
                pool.submit(run_seeds, None, range(first + i, first + count, cores), folder) for i in range(cores)
            ]
            for one in as_completed(running):
                summary.add(one.result())
        except BaseException:
            for process in active_children():
                process.terminate()
            raise
    return summary


def shrink(created: World, seed: int) -> tuple[History, str]:
    """The same history with as few of its steps as violate the same kind of invariant, and the violation."""
    history, violation = run_seed(created, seed)
    assert violation is not None, f"seed {seed} violates nothing"
    kind, actions, kept = _kind(violation), history.chosen, list(history.chosen)

    def still_violates(numbers: list[int]) -> bool:
        nonlocal history, violation
        tried, found = run_seed(created, seed, {number: actions[number] for number in numbers})
        if found is not None and _kind(found) == kind:
            history, violation = tried, found
            return True
        return False

    size = len(kept) // 2
    while size:
        before, at = len(kept), 0
        while at < len(kept):
            fewer = kept[:at] + kept[at + size :]
            if still_violates(fewer):
                kept = fewer
            else:
                at += size
        # One step may be needed only by another that is gone now.
        size = size if size == 1 and len(kept) < before else size // 2
    return history, violation


def _kind(violation: str) -> str:
    """A violation without its names and numbers."""
    return re.sub(r"[\d.]+", "", violation)
