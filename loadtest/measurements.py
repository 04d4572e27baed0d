"""Measurements other than requests. Each is a request type of Locust, so that Locust merges and reports it."""

from __future__ import annotations

from enum import StrEnum


class Measurement(StrEnum):
    """A type in Locust's statistics that is not an HTTP request."""

    JOB = "JOB"
    """Time from submission to the final state as the client observed it. Named by job size."""

    LAG = "LAG"
    """Time from a job's finishedAt to the arrival of its final event. Client and server clocks must agree."""

    VIOLATION = "VIOLATION"
    """A correctness violation. Named by `Violation`."""


class Violation(StrEnum):
    """Incorrect behaviour that may not occur under any load, even if every response was 200."""

    LOST_FINAL = "lost_final"
    """The stream completed without the final state, or the final event of a finished job did not arrive in time."""

    REPEATED_FINAL = "repeated_final"
    """A subscriber received the final event more than once."""

    WRONG_RESULT = "wrong_result"
    """The returned primes differ from the expected ones."""
