"""What is counted beside requests, each a request type of Locust, so that it reaches its reports and its master."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """A type in Locust's statistics that is no HTTP request."""

    JOB = "JOB"
    """From submitting to the final state as the client saw it; named by size."""

    LAG = "LAG"
    """From a job's finishedAt to the arrival of its final event; the two clocks must agree for it."""

    VIOLATION = "VIOLATION"
    """A promise that was broken; named as in `loadtest.final_events`."""
