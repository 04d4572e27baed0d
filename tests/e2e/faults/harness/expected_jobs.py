"""What users saw: which jobs were acknowledged, and which states their subscribers received."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.live_updates.transports import State


def report(text: str) -> None:
    """Print measurements, not only assert their bounds."""
    print(text)  # noqa: T201 - pytest shows it for failed tests, and with -rP for all


@dataclass
class JobRequest:
    """The arguments of a submission, and the final statuses that its job may reach."""

    count: int
    start: int = 2
    allowed_statuses: frozenset[str] = frozenset({"SUCCEEDED"})


@dataclass
class ExpectedJobs:
    """Requests by job id, and states by subscriber. Kept in the process of the test, which no fault reaches."""

    requests: dict[str, JobRequest] = field(default_factory=dict)
    subscriptions: list[tuple[str, list[State]]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def add(self, job_id: str, request: JobRequest) -> None:
        """Record that a submission returned this id."""
        if self.requests.setdefault(job_id, request) is not request:
            self.violations.append(f"{job_id} was returned for two submissions with different idempotency keys")

    def add_subscriber(self, job_id: str) -> list[State]:
        """Return the list to which a new subscriber appends the states that it receives."""
        states: list[State] = []
        self.subscriptions.append((job_id, states))
        return states
