"""Three kinds of people, mixed by weight: they think for 1 to 3 seconds, ask for primes, and wait for them.

All that they notice goes through Locust's request event, so that it is counted, also over many machines, in one place:

- requests under their own names, which never hold ids: "GraphQL generatePrimes", "WS jobUpdates", "REST /generate" ...;
- jobs, lags and violations under the types of `loadtest.measurements`.
"""

from __future__ import annotations

import itertools
import random
import time
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, ClassVar

from locust import FastHttpUser, between

from loadtest import job_sizes
from loadtest.measurements import Kind
from loadtest.users.expected_primes import KnownPrimes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from locust.env import Environment

    from loadtest.users.final_events import Violation


# A job that is not final after so long has failed, as far as its user is concerned.
GIVE_UP_SECONDS = 120


class SimulatedUser(FastHttpUser):
    """What all have in common: patience, a taste for sizes, and knowledge of the right primes."""

    abstract = True
    wait_time = between(1, 3)
    network_timeout = 30.0
    connection_timeout = 10.0

    known: ClassVar[KnownPrimes | None] = None

    _turns: ClassVar = itertools.count()

    def __init__(self, environment: Environment) -> None:
        options = environment.parsed_options
        keys = [key for key in (options.keys.split(",") if options else []) if key]
        # Whoever has none says nothing of it.
        self.authorization = f"Bearer {keys[next(SimulatedUser._turns) % len(keys)]}" if keys else None
        self.default_headers = {"Authorization": self.authorization} if self.authorization else None
        super().__init__(environment)
        self.wants_huge = bool(options and options.huge)
        self.random = random.Random()  # noqa: S311 - a choice of sizes, no secret

    @classmethod
    def learn(cls, *, huge: bool) -> None:
        """Find the right primes, before the first job: it takes a moment, which would count as waiting."""
        bound = job_sizes.KNOWN_BOUND_WITH_HUGE if huge else job_sizes.KNOWN_BOUND
        if SimulatedUser.known is None or SimulatedUser.known.bound < bound:
            SimulatedUser.known = KnownPrimes(bound)

    def right(self, count: int, start: int) -> Sequence[int]:
        """What a job must find."""
        if SimulatedUser.known is None:
            raise RuntimeError("the right primes were not learned when the test began")
        return SimulatedUser.known.first(count, start)

    def told(self, kind: str, name: str, seconds: float | None, failure: Exception | None = None) -> None:
        """Report to Locust."""
        self.environment.events.request.fire(
            request_type=kind,
            name=name,
            response_time=None if seconds is None else seconds * 1_000,
            response_length=0,
            exception=failure,
            context={},
        )

    def violated(self, violation: Violation, detail: str) -> None:
        """Report what may never happen."""
        self.told(Kind.VIOLATION, violation, None, ViolationSeen(detail))

    def job_done(self, size: job_sizes.Size, begun: float, arrived: float, status: str, expected: str) -> bool:
        """Report the end of a job. Returns whether it was the expected one."""
        if status == expected:
            if status == "SUCCEEDED":
                self.told(Kind.JOB, size.name, arrived - begun)
            return True
        self.told(Kind.JOB, size.name, arrived - begun, UnexpectedEnd(f"{status}, not {expected}"))
        return False

    def gave_up(self, size: job_sizes.Size, begun: float) -> None:
        """Report a job whose end was not seen."""
        self.told(Kind.JOB, size.name, time.perf_counter() - begun, UnexpectedEnd("its end was not seen"))


class ViolationSeen(Exception):
    """A promise was broken; the text says how."""


class UnexpectedEnd(Exception):
    """A job ended otherwise than it should have; the text says how."""


def body(response: Any) -> Any:  # noqa: ANN401 - any JSON comes back from a server
    """The JSON of a response; None when it is none."""
    try:
        return response.json()
    except (ValueError, TypeError, OSError, HTTPException):
        return None
