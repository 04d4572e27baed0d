"""The common part of all simulated users: think for 1 to 3 seconds, run one job, check its result.

Everything is recorded through Locust's request event, which merges it across processes and machines:

- requests under names without ids: "GraphQL generatePrimes", "WS jobUpdates", "REST /generate";
- jobs, event lags and violations under the types of `loadtest.measurements`.
"""

from __future__ import annotations

import itertools
import random
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, ClassVar

from locust import FastHttpUser, between

from loadtest import job_sizes
from loadtest.measurements import Measurement
from loadtest.users.expected_primes import PrimeTable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

    from loadtest.measurements import Violation


# A job that is not final after this time counts as failed.
JOB_TIMEOUT_SECONDS = 120


class SimulatedUser(FastHttpUser):
    """Credentials, random job sizes, expected results and recording."""

    abstract = True
    wait_time = between(1, 3)
    network_timeout = 30.0
    connection_timeout = 10.0

    prime_table: ClassVar[PrimeTable | None] = None

    _key_index: ClassVar = itertools.count()

    def __init__(self, environment: Environment) -> None:
        options = environment.parsed_options
        keys = [key for key in (options.keys.split(",") if options else []) if key]
        # Users take the keys in turn. Without keys they send no credentials.
        self.authorization = f"Bearer {keys[next(SimulatedUser._key_index) % len(keys)]}" if keys else None
        self.default_headers = {"Authorization": self.authorization} if self.authorization else None
        super().__init__(environment)
        self.include_huge = bool(options and options.huge)
        self.random = random.Random()  # noqa: S311 - a choice of sizes, no secret

    @classmethod
    def build_prime_table(cls, *, include_huge: bool) -> None:
        """Compute the expected primes before the first job, so that the time for it is not measured."""
        limit = job_sizes.MAX_PRIME_WITH_HUGE if include_huge else job_sizes.MAX_PRIME
        if SimulatedUser.prime_table is None or SimulatedUser.prime_table.limit < limit:
            SimulatedUser.prime_table = PrimeTable(limit)

    def expected_primes(self, count: int, start: int) -> Sequence[int]:
        """The primes that a job must return."""
        if SimulatedUser.prime_table is None:
            raise RuntimeError("build_prime_table must be called before users start")
        return SimulatedUser.prime_table.first(count, start)

    def record(self, request_type: str, name: str, seconds: float | None, failure: Exception | None = None) -> None:
        """Add one measurement to Locust's statistics."""
        self.environment.events.request.fire(
            request_type=request_type,
            name=name,
            response_time=None if seconds is None else seconds * 1_000,
            response_length=0,
            exception=failure,
            context={},
        )

    def record_violation(self, violation: Violation, detail: str) -> None:
        """Count a correctness violation."""
        self.record(Measurement.VIOLATION, violation, None, ViolationError(detail))

    def record_job(self, size: job_sizes.Size, started: float, arrived: float, status: str, expected: str) -> bool:
        """Record the end of a job. Returns whether it has the expected status."""
        if status == expected:
            if status == "SUCCEEDED":
                self.record(Measurement.JOB, size.name, arrived - started)
            return True
        error = UnexpectedOutcomeError(f"{status} instead of {expected}")
        self.record(Measurement.JOB, size.name, arrived - started, error)
        return False

    def record_unfinished_job(self, size: job_sizes.Size, started: float) -> None:
        """Record a job whose final state was not received in time."""
        error = UnexpectedOutcomeError("final state not received")
        self.record(Measurement.JOB, size.name, time.perf_counter() - started, error)


class ViolationError(Exception):
    """A correctness violation; the message gives the detail."""


class UnexpectedOutcomeError(Exception):
    """A job did not end with the expected status."""


def json_body(response: Any) -> Any:  # noqa: ANN401 - a server may return any JSON
    """The JSON body of a response; None when it is not JSON."""
    try:
        return response.json()
    except (ValueError, TypeError, OSError, HTTPException):
        return None
