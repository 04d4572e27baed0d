"""Faults of the product that the simulation found, each with the shortest history that shows it.

An example stays the same when actions are added or become more or less likely: each step draws from its own seed.
If the action of one of its steps draws differently, the example no longer finds the fault, and its test fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.simulation.controls import Control

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Example:
    """A shrunk history.

    Args:
        seed: what its steps draw.
        steps: actions by the numbers of their steps.
        without_fix: the system as it was.
        violation: what happened there.
    """

    seed: int
    steps: Mapping[int, str]
    without_fix: Control
    violation: str


EXAMPLES: Mapping[str, Example] = {
    # The lease of a job that is gone stayed for as long as the clock was set back.
    "leases after the clock was set back": Example(
        17,
        {
            14: "restart an API",
            19: "start a worker",
            21: "submit",
            23: "execute a call",
            24: "return an answer",
            27: "deliver a message",
            29: "execute a call",
            33: "delete a job's keys",
            46: "set the store's clock",
        },
        Control({"limit_scores(PREFIX .. 'leases', NOW + MAX_LEASE_MS)": ""}),
        "not at rest after 900 s: leases has 1",
    ),
    # An index expired before the jobs in it, which were not counted at admission any more.
    "indexes after the clock was set back": Example(
        751,
        {
            15: "restart an API",
            17: "submit",
            23: "submit",
            51: "execute a call",
            53: "set the store's clock",
            58: "make the store read-only",
            61: "make the store read-only",
            65: "submit",
            66: "execute a call",
            73: "submit",
            108: "submit",
            118: "a lifetime passes",
        },
        Control({"2 * JOB_TTL_MS": "JOB_TTL_MS"}),
        "7 jobs are open",
    ),
}
