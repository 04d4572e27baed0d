"""Runs many histories in several processes, and makes a failed one short."""

from __future__ import annotations

import os
import re
import tempfile
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from tests import programs
from tests.simulation.controls import CONTROLS, Control
from tests.simulation.history import History, ViolationError
from tests.simulation.world import world

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.simulation.world import World

# Seeds that a process takes at a time.
_CHUNK = 50


@dataclass(slots=True)
class Summary:
    """What several histories did."""

    histories: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    branches: Counter[str] = field(default_factory=Counter)
    # By seed.
    violations: dict[int, str] = field(default_factory=dict)

    @property
    def steps(self) -> int:
        return self.actions.total()

    def add(self, other: Summary) -> None:
        self.histories += other.histories
        # Also those at zero.
        for mine, theirs in ((self.actions, other.actions), (self.branches, other.branches)):
            for name, count in theirs.items():
                mine[name] += count
        self.violations |= other.violations


@contextmanager
def new_world(control: str | None = None) -> Iterator[World]:
    """A world with its own server, without the safeguard that a control names."""
    found = CONTROLS[control] if control else Control()
    with (
        tempfile.TemporaryDirectory(prefix="simulation-") as folder,
        programs.valkey(Path(folder), appendonly="no") as valkey,
        world(valkey, found.texts) as created,
        found.applied(),
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


def run_seeds(control: str | None, seeds: Iterable[int]) -> Summary:
    """Run histories one after the other. Ends at the first that a control violates."""
    summary = Summary()
    with new_world(control) as created:
        for seed in seeds:
            history, violation = run_seed(created, seed)
            summary.histories += 1
            summary.actions.update(history.actions)
            if violation is not None:
                summary.violations[seed] = violation
                if control:
                    break
        branches = created.branches
        for label, taken in zip(branches.labels, branches.taken, strict=True):
            summary.branches[label] += taken
    return summary


def run_many(first: int, count: int, processes: int | None = None) -> Summary:
    """Run the histories of consecutive seeds in as many processes as there are cores."""
    seeds = range(first, first + count)
    chunks = [seeds[i : i + _CHUNK] for i in range(0, count, _CHUNK)]
    summary = Summary()
    with ProcessPoolExecutor(processes or os.cpu_count(), get_context("spawn")) as pool:
        for one in pool.map(partial(run_seeds, None), chunks):
            summary.add(one)
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
