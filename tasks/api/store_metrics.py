"""Metrics of the job store: counters that the scripts maintain, queue depths and workers.

The scripts count in the same atomic step in which they act (hash `counters`), so the counters stay exact when processes
are killed, and every API process reports the same values. The fields of the hash, with blanks as separators:

    submissions {queue} {outcome}          finished {queue} {status} [{reason}]          claims {queue}
    leases_expired                         fenced {operation}                            resent

Sync, because the metric reader collects in its own thread.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Self

import redis
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from tasks.storage.api_scripts import CollectMetrics
from tasks.storage.redis import sync_client
from tasks.storage.scripts import load_script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.settings import JobSettings
    from tasks.storage.api_scripts import StoreSnapshot

log = logging.getLogger(__name__)

# All callbacks of one collection run within this time and share one snapshot.
_SNAPSHOT_TTL_SECONDS = 1.0

_TIMEOUT_SECONDS = 1.0


class StoreMetrics:
    """Observable instruments that read the store at most once per collection."""

    def __init__(self, client: redis.Redis, settings: JobSettings) -> None:
        self._client = client
        self._settings = settings
        self._script = client.register_script(load_script(CollectMetrics, settings))
        self._lock = threading.Lock()
        self._read_at = -_SNAPSHOT_TTL_SECONDS
        self._snapshot: StoreSnapshot | None = None

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """Metrics with their own connection, opened on first use."""
        return cls(sync_client(settings, _TIMEOUT_SECONDS, _TIMEOUT_SECONDS), settings)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def read_snapshot(self) -> StoreSnapshot:
        """Read the current state.

        Raises:
            redis.RedisError: the store did not respond.
        """
        script = CollectMetrics()
        return script.parse(self._script(keys=[self._settings.key_prefix], args=script.encode()))

    def create_instruments(self) -> None:
        """Create the instruments. While the store is unavailable, they report nothing."""
        meter = metrics.get_meter("tasks.api.job_store")

        def counter(name: str, unit: str, description: str, field: str, *attributes: str) -> None:
            callback = self._callback(lambda snapshot: _counted(snapshot, field, attributes))
            meter.create_observable_counter(name, [callback], unit, description)

        def gauge(
            name: str, unit: str, description: str, observe: Callable[[StoreSnapshot], Iterator[Observation]]
        ) -> None:
            meter.create_observable_gauge(name, [self._callback(observe)], unit, description)

        counter("job.submissions", "{job}", "Submissions by outcome", "submissions", "job.queue", "job.outcome")
        counter(
            "job.finished",
            "{job}",
            "Jobs that reached a final status",
            "finished",
            "job.queue",
            "job.status",
            "job.failure.reason",
        )
        counter("segment.claims", "{attempt}", "Segments claimed by workers", "claims", "job.queue")
        counter("segment.leases.expired", "{lease}", "Leases that expired", "leases_expired")
        counter("segment.messages.resent", "{message}", "Queue messages sent again by the reconciler", "resent")
        counter(
            "segment.writes.fenced", "{write}", "Stale writes refused by fencing tokens", "fenced", "segment.operation"
        )
        gauge("job.open", "{job}", "Queued and running jobs", _open_jobs)
        gauge(
            "job.capacity", "{job}", "Maximum number of open jobs", lambda now: iter([Observation(now.queue.capacity)])
        )
        gauge("job.queue.depth", "{message}", "Messages waiting in the queue", _depths)
        gauge("job.queue.oldest.age", "s", "Age of the oldest queued job", _oldest_age)
        gauge(
            "worker.seen",
            "{worker}",
            "Workers with a recent heartbeat",
            lambda now: iter([Observation(len(now.workers))]),
        )
        gauge("worker.processes", "{process}", "Processes of workers with a recent heartbeat", _processes)

    def _callback(
        self, observe: Callable[[StoreSnapshot], Iterator[Observation]]
    ) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def callback(_: CallbackOptions) -> Iterator[Observation]:
            snapshot = self._current()
            return iter(()) if snapshot is None else observe(snapshot)

        return callback

    def _current(self) -> StoreSnapshot | None:
        with self._lock:
            now = time.monotonic()
            if now - self._read_at >= _SNAPSHOT_TTL_SECONDS:
                try:
                    self._snapshot = self.read_snapshot()
                except redis.RedisError as error:
                    self._snapshot = None
                    log.warning("Job store metrics unavailable: %s", error)
                self._read_at = time.monotonic()
            return self._snapshot


def _counted(snapshot: StoreSnapshot, field: str, attributes: tuple[str, ...]) -> Iterator[Observation]:
    for (first, *values), count in snapshot.counters.items():
        if first == field:
            yield Observation(count, dict(zip(attributes, values, strict=False)))


def _open_jobs(snapshot: StoreSnapshot) -> Iterator[Observation]:
    yield Observation(snapshot.queue.queued, {"job.status": "QUEUED"})
    yield Observation(snapshot.queue.running, {"job.status": "RUNNING"})


def _depths(snapshot: StoreSnapshot) -> Iterator[Observation]:
    for queue, depth in snapshot.depths.items():
        yield Observation(depth, {"job.queue": queue})


def _oldest_age(snapshot: StoreSnapshot) -> Iterator[Observation]:
    oldest = snapshot.queue.oldest_queued_for
    yield Observation(oldest.total_seconds() if oldest else 0.0)


def _processes(snapshot: StoreSnapshot) -> Iterator[Observation]:
    yield Observation(sum(worker.concurrency for worker in snapshot.workers))
