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
    from collections.abc import Iterable, Mapping, Sequence

# Written by submit_job.lua, required by claim_segment.lua. Raise it when an older version of this program could misread
# a record.
RECORD_FORMAT = "1"

# A worker without a heartbeat for this time is removed from the list of workers.
WORKER_TTL = timedelta(seconds=15)


def parse_fields(reply: Sequence[Any]) -> dict[str, Any]:
    """Named fields of a script's reply from a flat list of names and values. None: no value."""
    return {reply[i].decode(): reply[i + 1] for i in range(0, len(reply), 2)}


def parse_job(snapshot: Sequence[Any]) -> Job:
    """A job from a snapshot: server time, position in the queue if any, record as a flat list.

    Raises:
        BackendUnavailable: the record has a format that this version does not read.
    """
    found = parse_fields(snapshot)
    record = {name: value.decode() for name, value in parse_fields(found["record"]).items()}
    if record["format"] != RECORD_FORMAT:
        # Usually during a rolling upgrade: an API process of the newer version can read it, so a retry may succeed.
        known = f"this server's version reads {RECORD_FORMAT}"
        raise BackendUnavailable(f"job {record['id']} has record format {record['format']}, {known}")
    number = {name: int(value) for name, value in record.items() if value.isdecimal()}
    count = number["count"]
    available = min(count, number["prefix"] * SEGMENT_PRIMES)
    return Job(
        id=record["id"],
        status=JobStatus(record["status"]),
        version=number["version"],
        count=count,
        start=number["start"],
        done=number["done"],
        available=available,
        created_at=moment(number["created_at"]),
        read_at=moment(found["now"]),
        started_at=_moment_or_none(number.get("started_at")),
        finished_at=_moment_or_none(number.get("finished_at")),
        attempt=number["attempt"],
        max_attempts=number["max_attempts"],
        idempotency_key=record.get("idempotency_key"),
        queue_position=found.get("position"),
        failure=_parse_failure(record),
        retry_of=record.get("retry_of"),
        traceparent=record.get("traceparent"),
        first=number.get("first"),
        last=number.get("last"),
        digests=record.get("digests"),
        # The stored field keeps its older name.
        result_id=record.get("folder"),
        result_expires_at=_moment_or_none(number.get("result_expires_at")),
    )


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


def _moment_or_none(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds)


def _parse_failure(record: Mapping[str, str]) -> Failure | None:
    if "failure_reason" not in record:
        return None
    return Failure(FailureReason(record["failure_reason"]), record["failure_message"])
