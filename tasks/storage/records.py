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

# Written by submit_job.lua. Raise it when an older version of this program could misread a record.
RECORD_FORMAT = "1"

# A worker without a heartbeat for this time is removed from the list of workers.
WORKER_TTL = timedelta(seconds=15)


def parse_job(snapshot: Sequence[Any]) -> Job:
    """A job from a snapshot: [server time in ms, position in the queue or -1, record as a flat list].

    Raises:
        BackendUnavailable: the record has a format that this version does not read.
    """
    now_ms, position, flat = snapshot
    record = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
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
        read_at=moment(now_ms),
        started_at=_moment_or_none(number.get("started_at")),
        finished_at=_moment_or_none(number.get("finished_at")),
        attempt=number["attempt"],
        max_attempts=number["max_attempts"],
        idempotency_key=record.get("idempotency_key"),
        queue_position=position if position >= 0 else None,
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


def parse_queue(statistics: Sequence[Any], capacity: int) -> QueueStats:
    """Queue figures from [queued, running, age of the oldest queued job in ms or -1, pace in ms per job or -1]."""
    queued, running, oldest_ms, pace_ms = statistics
    return QueueStats(
        queued=queued,
        running=running,
        capacity=capacity,
        oldest_queued_for=timedelta(milliseconds=oldest_ms) if oldest_ms >= 0 else None,
        estimated_wait=timedelta(milliseconds=queued * float(pace_ms)) if pace_ms >= 0 else None,
    )


def parse_workers(heartbeats: Sequence[Any]) -> tuple[Worker, ...]:
    """Worker processes from a flat list of "{name} {concurrency}" and the time of its last heartbeat in ms."""
    workers = []
    for i in range(0, len(heartbeats), 2):
        name, _, concurrency = heartbeats[i].decode().rpartition(" ")
        workers.append(Worker(name, int(concurrency), moment(int(heartbeats[i + 1]))))
    return tuple(workers)


def parse_lost_attempts(attempts: Iterable[Sequence[Any]]) -> tuple[LostAttempt, ...]:
    """Lost attempts from lists of [job id, index, attempt, time of the claim, time of the loss, traceparent]."""
    return tuple(
        LostAttempt(job_id.decode(), int(index), attempt, int(claimed_ms), int(lost_ms), traceparent.decode() or None)
        for job_id, index, attempt, claimed_ms, lost_ms, traceparent in attempts
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
