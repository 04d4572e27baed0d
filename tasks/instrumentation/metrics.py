"""What both halves count, as instruments of OpenTelemetry: silent while nobody has switched telemetry on.

The table in docs/observability.md explains each. Attributes have few values, all known beforehand: no ids, no `n`.
What the scripts count in the store itself is read by gauges.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics

from observability.buckets import MILLISECONDS, SECONDS

if TYPE_CHECKING:
    from tasks.jobs import Job


_meter = metrics.get_meter("tasks")


def _seconds(name: str, description: str) -> metrics.Histogram:
    return _meter.create_histogram(name, "s", description, explicit_bucket_boundaries_advisory=SECONDS)


JOB_QUEUE_DURATION = _seconds("job.queue.duration", "From a job's submission to its first claim")
JOB_RUN_DURATION = _seconds("job.run.duration", "From a job's first claim to its final state")
JOB_DURATION = _seconds("job.duration", "From a job's submission to its final state")

PROCESS_DURATION = _seconds("messaging.process.duration", "One Celery task, from its start to its end")
TASK_DURATION = _meter.create_histogram(
    "prime.task.duration",
    "ms",
    "Computing the primes of a segment, alone",
    explicit_bucket_boundaries_advisory=MILLISECONDS,
)
PRIMES_COMPUTED = _meter.create_counter("prime.computed", "{prime}", "Primes computed and kept")
BYTES_STORED = _meter.create_counter("prime.stored", "By", "Bytes in which primes were kept")
PRIMES_SERVED = _meter.create_counter("prime.served", "{prime}", "Primes given to clients")

EVENT_LAG = _seconds("job.event.lag", "From the commit of a change to its delivery to a subscriber")
EVENTS_DELIVERED = _meter.create_counter("job.events.delivered", "{event}", "States delivered to subscribers")
EVENTS_FOLDED = _meter.create_counter("job.events.folded", "{event}", "States skipped, a newer one being there")
FEED_RECONNECTS = _meter.create_counter("job.feed.reconnects", "{connection}", "Broker connections lost by the feed")


def record_ended(job: Job, queue: str) -> None:
    """A job is final: how long it ran, and how long that was after its submission."""
    if job.finished_at is None:
        return
    attributes = {"job.queue": queue, "job.status": job.status.value}
    JOB_DURATION.record((job.finished_at - job.created_at).total_seconds(), attributes)
    if job.ran_for is not None:
        JOB_RUN_DURATION.record(job.ran_for.total_seconds(), attributes)


def record_served(primes: int, door: str) -> None:
    """Primes leave for a client, by one of the doors: graphql, rest or download."""
    PRIMES_SERVED.add(primes, {"prime.door": door})


def size_class(count: int) -> str:
    """A count's next power of ten: 1e1 up to 10, 1e2 up to 100, and so on."""
    return f"1e{max(1, len(str(count - 1)))}"
