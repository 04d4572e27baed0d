"""Parses what scripts return into the domain's types: jobs, queue figures, workers, lost attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tasks.errors import BackendUnavailable
from tasks.jobs import (
    SEGMENT_PRIMES,
    Failure,
    FailureReason,
    Job,
    JobStatus,
    LostAttempt,
    QueueStats,
    Worker,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

# Written by submit_job.lua, required by claim_segment.lua. Raise it when an older version of this program could misread
# a record.
RECORD_FORMAT = "1"

# A worker without a heartbeat for this time is removed from the list of workers.
WORKER_TTL = timedelta(seconds=15)


def parse_fields(reply: Sequence[Any]) -> dict[str, Any]:
    """Named fields of a script's reply from a flat list of names and values. None: no value."""
    return {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}


class StoredJob(Job):
    """A job whose fields are parsed from its record each time they are read: most callers read few of them."""

    __slots__ = ("now_ms", "position", "record")

    now_ms: int
    position: int | None
    record: Mapping[bytes, bytes]

    def __init__(self, record: Mapping[bytes, bytes], now_ms: int, position: int | None) -> None:
        for name, value in (("record", record), ("now_ms", now_ms), ("position", position)):
            object.__setattr__(self, name, value)


def parse_job(snapshot: Sequence[Any]) -> Job:
    """A job from a snapshot: server time, position in the queue if any, record as a flat list.

    Raises:
        BackendUnavailable: the record has a format that this version does not read.
    """
    found = parse_fields(snapshot)
    record = dict(zip(found["record"][::2], found["record"][1::2], strict=True))
    if (record_format := record[b"format"].decode()) != RECORD_FORMAT:
        # Usually during a rolling upgrade: an API process of the newer version can read it, so a retry may succeed.
        known = f"this server's version reads {RECORD_FORMAT}"
        raise BackendUnavailable(f"job {record[b'id'].decode()} has record format {record_format}, {known}")
    return StoredJob(record, found["now"], found.get("position"))


def parse_queue(statistics: Sequence[Any]) -> QueueStats:
    """Queue figures from counts of jobs, capacity, and the age of the oldest queued job and the pace if known."""
    found = parse_fields(statistics)
    queued, oldest_ms, pace_ms = found["queued"], found.get("oldest_ms"), found.get("pace_ms")
    return QueueStats(
        queued=queued,
        running=found["running"],
        capacity=found["capacity"],
        oldest_queued_for=None if oldest_ms is None else timedelta(milliseconds=oldest_ms),
        estimated_wait=None if pace_ms is None else timedelta(milliseconds=queued * pace_ms),
    )


def worker_member(name: str, concurrency: int) -> str:
    """A worker process as a member of the sorted set `workers`. `parse_workers` splits it."""
    return f"{name} {concurrency}"


def parse_workers(heartbeats: Sequence[Any]) -> tuple[Worker, ...]:
    """Worker processes from a flat list of "{name} {concurrency}" and the time of its last heartbeat in ms."""
    workers = []
    for i in range(0, len(heartbeats), 2):
        name, _, concurrency = heartbeats[i].decode().rpartition(" ")
        workers.append(Worker(name, int(concurrency), moment(int(heartbeats[i + 1]))))
    return tuple(workers)


def parse_counters(counters: Sequence[Any]) -> dict[tuple[str, ...], int]:
    """Totals for metrics from the hash `counters`, by field, split at blanks."""
    return {tuple(name.split()): int(value) for name, value in parse_fields(counters).items()}


def parse_lost_attempts(attempts: Iterable[Sequence[Any]]) -> tuple[LostAttempt, ...]:
    """Lost attempts from lists of named fields."""
    found = [parse_fields(attempt) for attempt in attempts]
    return tuple(
        LostAttempt(
            job_id=attempt["job"].decode(),
            index=int(attempt["index"]),
            attempt=attempt["attempt"],
            claimed_ms=int(attempt["claimed_ms"]),
            lost_ms=int(attempt["lost_ms"]),
            traceparent=None if attempt["traceparent"] is None else attempt["traceparent"].decode(),
        )
        for attempt in found
    )


def moment(milliseconds: int) -> datetime:
    """A time of the server's clock, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def _field(name: str, parse: Callable[[bytes], object]) -> Callable[[StoredJob], object]:
    stored_name = name.encode()

    def read(job: StoredJob) -> object:
        value = job.record.get(stored_name)
        return None if value is None else parse(value)

    return read


def _text(name: str) -> Callable[[StoredJob], object]:
    return _field(name, bytes.decode)


def _number(name: str) -> Callable[[StoredJob], object]:
    return _field(name, int)


def _moment(name: str) -> Callable[[StoredJob], object]:
    return _field(name, lambda value: moment(int(value)))


def _available(job: StoredJob) -> int:
    return min(job.count, int(job.record[b"prefix"]) * SEGMENT_PRIMES)


def _failure(job: StoredJob) -> Failure | None:
    reason = job.record.get(b"failure_reason")
    if reason is None:
        return None
    return Failure(FailureReason(reason.decode()), job.record[b"failure_message"].decode())


# How StoredJob reads each field of Job. Those that the record always has are never None.
_READERS: dict[str, Callable[[StoredJob], object]] = {
    "id": _text("id"),
    "status": lambda job: JobStatus(job.record[b"status"].decode()),
    "version": _number("version"),
    "count": _number("count"),
    "start": _number("start"),
    "done": _number("done"),
    "created_at": _moment("created_at"),
    "read_at": lambda job: moment(job.now_ms),
    "attempt": _number("attempt"),
    "max_attempts": _number("max_attempts"),
    "idempotency_key": _text("idempotency_key"),
    "started_at": _moment("started_at"),
    "finished_at": _moment("finished_at"),
    "queue_position": lambda job: job.position,
    "failure": _failure,
    "retry_of": _text("retry_of"),
    "traceparent": _text("traceparent"),
    "available": _available,
    "first": _number("first"),
    "last": _number("last"),
    "digests": _text("digests"),
    "result_expires_at": _moment("result_expires_at"),
    # The stored field keeps its older name.
    "result_id": _text("folder"),
}
for _name, _reader in _READERS.items():
    setattr(StoredJob, _name, property(_reader))
