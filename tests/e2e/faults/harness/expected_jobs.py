"""What the people of a test were told: which jobs were acknowledged, and what subscribers saw of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.live_updates.transports import State


def say(text: str) -> None:
    """Figures are stated, not only bounded."""
    print(text)  # noqa: T201 - shown by pytest for what fails, and by -rP for all


@dataclass
class Order:
    """A request for primes, and the final statuses that it may get."""

    count: int
    start: int = 2
    may_end: frozenset[str] = frozenset({"SUCCEEDED"})


@dataclass
class ExpectedJobs:
    """Kept outside of the system, so that nothing which dies takes it along."""

    orders: dict[str, Order] = field(default_factory=dict)
    received: list[tuple[str, list[State]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def acknowledged(self, job_id: str, order: Order) -> None:
        """A submission was answered with this id."""
        if self.orders.setdefault(job_id, order) is not order:
            self.faults.append(f"{job_id} was given to two who asked with different keys")

    def begin(self, job_id: str) -> list[State]:
        """The list for what a new subscriber is told, in its order."""
        states: list[State] = []
        self.received.append((job_id, states))
        return states
