"""The job system keeps its invariants in new histories, and the simulation finds a system that does not."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.simulation.__main__ import MAX_SEED
from tests.simulation.controls import CONTROLS
from tests.simulation.history import STEPS
from tests.simulation.runner import new_world, run_many, run_seed, run_seeds, shrink

if TYPE_CHECKING:
    from collections.abc import Iterable

# The same in each run, so that each version is judged by the same histories. `make simulate` takes new seeds.
SEEDS = range(2_000)
MAX_HISTORIES_TO_FIND = 1_000

# Branches that calls take never or hardly ever.
RARE = {
    # Both callers have found the job RUNNING in the same step.
    "lib: if finish_job(id, 'FAILED', reason) then | not",
    # A retry of a retry finds a completed segment after those that it sends first.
    "lib: if segment.state ~= 'done' then | not",
}

# Histories that once violated an invariant.
EXAMPLES = (
    # The store's clock was set back: leases of killed workers did not expire for hours.
    35,
    # The store's clock was set back: an index expired before a job that it listed.
    182,
    295,
)


@pytest.mark.timeout(900)
def test_histories_keep_all_invariants_and_take_every_branch() -> None:
    summary = run_many(SEEDS.start, len(SEEDS))
    assert summary.violations == {}, "replay with `python -m tests.simulation SEED`"
    assert summary.histories == len(SEEDS)
    assert summary.steps >= len(SEEDS) * STEPS
    assert _at_zero(summary.actions.items()) == set()
    assert _at_zero(summary.branches.items()) <= RARE


@pytest.mark.timeout(600)
@pytest.mark.parametrize("control", CONTROLS)
def test_each_missing_safeguard_is_found(control: str) -> None:
    first = secrets.randbelow(MAX_SEED)
    summary = run_seeds(control, range(first, first + MAX_HISTORIES_TO_FIND))
    assert len(summary.violations) == 1, f"not found in {summary.histories} histories"


def test_histories_that_found_faults_stay_correct() -> None:
    assert run_seeds(None, EXAMPLES).violations == {}


def test_a_seed_decides_everything() -> None:
    with new_world() as world:
        first, second = (run_seed(world, 1)[0] for _ in range(2))
    assert first.report == second.report
    assert first.store.state == second.store.state
    assert len(first.report) > STEPS


def test_a_violation_is_shrunk_to_the_steps_that_it_needs() -> None:
    with new_world("trusted-clock") as world:
        seed = next(seed for seed in range(1_000) if run_seed(world, seed)[1])
        found, violation = run_seed(world, seed)
        history, same = shrink(world, seed)
    assert violation is not None
    assert same.split(" was ")[-1] == violation.split(" was ")[-1]
    assert len(history.report) < len(found.report) / 2


def _at_zero(counts: Iterable[tuple[str, int]]) -> set[str]:
    return {name for name, count in counts if not count}
