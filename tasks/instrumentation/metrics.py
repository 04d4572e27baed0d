"""OpenTelemetry instruments of the API and the workers. They record nothing unless the process has started telemetry.

docs/observability.md lists all metrics. Attributes have few values, all known in advance: never an id or a `count`.
Metrics that the Lua scripts count in the job store are gauges in tasks.api.store_metrics.
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


JOB_QUEUE_DURATION = _seconds("job.queue.duration", "Time from submission of a job to its first claim")
JOB_RUN_DURATION = _seconds("job.run.duration", "Time from the first claim of a job to its final state")
JOB_DURATION = _seconds("job.duration", "Time from submission of a job to its final state")

PROCESS_DURATION = _seconds("messaging.process.duration", "Duration of an attempt at a segment")
TASK_DURATION = _meter.create_histogram(
    "prime.task.duration",
    "ms",
    "Time to compute the primes of a segment, without storing them",
    explicit_bucket_boundaries_advisory=MILLISECONDS,
)
PRIMES_COMPUTED = _meter.create_counter("prime.computed", "{prime}", "Primes computed and stored")
BYTES_STORED = _meter.create_counter("prime.stored", "By", "Encoded size of the primes stored")
PRIMES_SERVED = _meter.create_counter("prime.served", "{prime}", "Primes sent to clients")

EVENT_LAG = _seconds("job.event.lag", "Time from the commit of a job event to its delivery to a subscriber")
EVENTS_DELIVERED = _meter.create_counter("job.events.delivered", "{event}", "Job states delivered to subscribers")
EVENTS_FOLDED = _meter.create_counter(
    "job.events.folded", "{event}", "Job states skipped because the subscriber received a newer one"
)
FEED_RECONNECTS = _meter.create_counter("job.feed.reconnects", "{connection}", "Connections that the event feed lost")


def record_job_duration(job: Job, queue: str) -> None:
    """Records the durations of a final job, in seconds: since its submission, and since its first claim if any."""
    if job.finished_at is None:
        return
    attributes = {"job.queue": queue, "job.status": job.status.value}
    JOB_DURATION.record((job.finished_at - job.created_at).total_seconds(), attributes)
    if job.ran_for is not None:
        JOB_RUN_DURATION.record(job.ran_for.total_seconds(), attributes)


def record_primes_served(primes: int, endpoint: str) -> None:
    """Counts primes sent to a client. `endpoint` is graphql, rest or download."""
    PRIMES_SERVED.add(primes, {"prime.endpoint": endpoint})


def size_class(count: int) -> str:
    """The lowest power of ten >= count, as an attribute value: 1e1 up to 10, 1e2 up to 100, and so on."""
    return f"1e{max(1, len(str(count - 1)))}"
