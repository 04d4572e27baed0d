"""The job system keeps its invariants in 2,000 histories, and the simulation finds a system that does not."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.simulation.__main__ import MAX_SEED
from tests.simulation.controls import CONTROLS, Control
from tests.simulation.examples import EXAMPLES, Example
from tests.simulation.history import STEPS
from tests.simulation.runner import new_world, run_many, run_seed, run_seeds, shrink

if TYPE_CHECKING:
    from collections.abc import Iterable

HISTORIES = 2_000
MAX_HISTORIES_TO_FIND = 1_000


@pytest.mark.timeout(1800)
def test_histories_keep_all_invariants_and_take_every_branch() -> None:
    first = secrets.randbelow(MAX_SEED)
    print(f"{HISTORIES} histories from seed {first}")
    summary = run_many(first, HISTORIES)
    if summary.violations:
        pytest.fail(_shrunk(min(summary.violations)))
    assert summary.histories == HISTORIES
    assert summary.steps >= HISTORIES * STEPS
    assert _at_zero(summary.actions.items()) == set()
    assert _at_zero(summary.branches.items()) == set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("control", CONTROLS)
def test_each_missing_safeguard_is_found(control: str) -> None:
    first = secrets.randbelow(MAX_SEED)
    summary = run_seeds(control, range(first, first + MAX_HISTORIES_TO_FIND))
    assert len(summary.violations) == 1, f"not found in {summary.histories} histories from seed {first}"


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_a_fault_that_was_found_stays_fixed(example: Example) -> None:
    with new_world() as world:
        assert run_seed(world, example.seed, example.steps)[1] is None
    with new_world(example.without_fix) as world:
        assert run_seed(world, example.seed, example.steps)[1] == example.violation


def test_a_seed_decides_everything() -> None:
    with new_world() as world:
        first, second = (run_seed(world, 1)[0] for _ in range(2))
    assert first.report == second.report
    assert first.store.state == second.store.state
    assert len(first.report) > STEPS


@pytest.mark.timeout(600)
def test_a_violation_is_shrunk_to_the_steps_that_it_needs() -> None:
    with new_world(CONTROLS["trusted-clock"]) as world:
        seed = next(seed for seed in range(1_000) if run_seed(world, seed)[1])
        found, violation = run_seed(world, seed)
        history, same = shrink(world, seed)
    assert violation is not None
    assert same.split(" was ")[-1] == violation.split(" was ")[-1]
    assert len(history.report) < len(found.report) / 2


def test_a_script_that_fails_violates_an_invariant() -> None:
    with new_world(Control({"segment.token + 1": "segment.tokens + 1"})) as world:
        _, violation = run_seed(world, 1)
    assert violation is not None
    assert "a script failed: " in violation


def _shrunk(seed: int) -> str:
    """The shortest history of a seed that violates the same invariant."""
    with new_world() as world:
        history, violation = shrink(world, seed)
    steps = "\n".join(history.report)
    return f"seed {seed}, replay with `python -m tests.simulation {seed}`:\n{steps}\n{violation}"


def _at_zero(counts: Iterable[tuple[str, int]]) -> set[str]:
    return {name for name, count in counts if not count}
