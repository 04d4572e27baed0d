"""What the store itself counts and holds, as metrics: read by each API process when its metrics are collected.

The scripts count in the same step in which they act (`counters`, a hash), so these figures are exact whatever is
killed, and every API process tells the same ones. The fields of the hash, with their words separated by blanks:

    submissions {queue} {outcome}          finished {queue} {status} [{reason}]          claims {queue}
    leases_expired                         fenced {operation}                            resent

Sync, because the reader of metrics has a thread of its own.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Self

import redis
from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation
from redis.backoff import NoBackoff
from redis.retry import Retry

from tasks.storage import messages, records, scripts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tasks.jobs import QueueStats, Worker
    from tasks.settings import JobSettings

log = logging.getLogger(__name__)

# All instruments are asked within one collection: they share one look at the store.
_SAME_COLLECTION_SECONDS = 1.0

_ANSWER_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """One look at the store. `counters` has the words of a field as its keys."""

    queue: QueueStats
    depths: dict[str, int]
    workers: tuple[Worker, ...]
    counters: dict[tuple[str, ...], int]


class StoreMetrics:
    """The instruments, for as long as this object is kept."""

    def __init__(self, client: redis.Redis, settings: JobSettings) -> None:
        self._client = client
        self._settings = settings
        self._script = client.register_script(scripts.load_script("collect_metrics"))
        self._lock = threading.Lock()
        self._looked_at = -_SAME_COLLECTION_SECONDS
        self._measures: StoreSnapshot | None = None

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """Gauges with a connection of their own, opened when first needed."""
        client = redis.Redis.from_url(
            settings.broker_url,
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), retries=0),
        )
        return cls(client, settings)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def read_snapshot(self) -> StoreSnapshot:
        """Look at the store.

        Raises:
            redis.RedisError: it does not answer.
        """
        ttl_ms = records.WORKER_TTL // timedelta(milliseconds=1)
        arguments = scripts.encode_arguments(self._settings, {"queues": messages.QUEUES, "worker_ttl_ms": ttl_ms})
        reply = self._script(keys=[self._settings.key_prefix], args=[arguments])
        queue, depths, workers, counters = reply
        return StoreSnapshot(
            queue=records.parse_queue(queue, self._settings.queue_capacity),
            depths=dict(zip(messages.QUEUES, depths, strict=True)),
            workers=records.parse_workers(workers),
            counters={tuple(counters[i].decode().split()): int(counters[i + 1]) for i in range(0, len(counters), 2)},
        )

    def create_instruments(self) -> None:
        """Create the instruments. While the store does not answer, they tell nothing."""
        meter = metrics.get_meter("tasks.api.job_store")

        def counter(name: str, unit: str, description: str, field: str, *attributes: str) -> None:
            callback = self._asked(lambda measures: _counted(measures, field, attributes))
            meter.create_observable_counter(name, [callback], unit, description)

        def gauge(
            name: str, unit: str, description: str, observe: Callable[[StoreSnapshot], Iterator[Observation]]
        ) -> None:
            meter.create_observable_gauge(name, [self._asked(observe)], unit, description)

        counter("job.submissions", "{job}", "Submissions by outcome", "submissions", "job.queue", "job.outcome")
        counter("job.finished", "{job}", "Jobs that ended", "finished", "job.queue", "job.status", "job.failure.reason")
        counter("segment.claims", "{attempt}", "Segments claimed by workers", "claims", "job.queue")
        counter("segment.leases.expired", "{lease}", "Leases that ran out", "leases_expired")
        counter("segment.messages.resent", "{message}", "Messages sent again", "resent")
        counter("segment.writes.fenced", "{write}", "Late writes refused", "fenced", "segment.operation")
        gauge("job.open", "{job}", "Jobs that are not final", _open_jobs)
        gauge(
            "job.capacity", "{job}", "Most jobs that may be open", lambda now: iter([Observation(now.queue.capacity)])
        )
        gauge("job.queue.depth", "{message}", "Messages that no worker has taken", _depths)
        gauge("job.queue.oldest.age", "s", "Age of the oldest queued job", _oldest_age)
        gauge("worker.seen", "{worker}", "Workers seen lately", lambda now: iter([Observation(len(now.workers))]))
        gauge("worker.processes", "{process}", "Their processes", _processes)

    def _asked(
        self, observe: Callable[[StoreSnapshot], Iterator[Observation]]
    ) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def callback(_: CallbackOptions) -> Iterator[Observation]:
            measures = self._current()
            return iter(()) if measures is None else observe(measures)

        return callback

    def _current(self) -> StoreSnapshot | None:
        with self._lock:
            now = time.monotonic()
            if now - self._looked_at >= _SAME_COLLECTION_SECONDS:
                try:
                    self._measures = self.read_snapshot()
                except redis.RedisError as error:
                    self._measures = None
                    log.warning("there are no figures of the job store, which does not answer: %s", error)
                self._looked_at = time.monotonic()
            return self._measures


def _counted(measures: StoreSnapshot, field: str, attributes: tuple[str, ...]) -> Iterator[Observation]:
    for (first, *values), count in measures.counters.items():
        if first == field:
            yield Observation(count, dict(zip(attributes, values, strict=False)))


def _open_jobs(measures: StoreSnapshot) -> Iterator[Observation]:
    yield Observation(measures.queue.queued, {"job.status": "QUEUED"})
    yield Observation(measures.queue.running, {"job.status": "RUNNING"})


def _depths(measures: StoreSnapshot) -> Iterator[Observation]:
    for queue, depth in measures.depths.items():
        yield Observation(depth, {"job.queue": queue})


def _oldest_age(measures: StoreSnapshot) -> Iterator[Observation]:
    oldest = measures.queue.oldest_queued_for
    yield Observation(oldest.total_seconds() if oldest else 0.0)


def _processes(measures: StoreSnapshot) -> Iterator[Observation]:
    yield Observation(sum(worker.concurrency for worker in measures.workers))
