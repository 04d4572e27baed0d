"""The storage format: keys, record fields, scripts and messages. Both halves, API and workers, meet here.

Keys, under one prefix, each with a time-to-live:

    job:{id}             hash: the record; the fields are those that `parse_job` reads
    job:{id}:segments    hash: index -> JSON {state, token, lost, sends, claim} of each segment that was ever sent
    job:{id}:result      bytes: the primes of a small job, delta-coded; larger results are in the result store
    folders              sorted set of folders of the result store by the moment until which they are kept
    jobs:{STATUS}        sorted set of the ids with that status; scores are 0, ids sort by time of creation
    expiry               sorted set of all ids by the moment at which the record expires; {id} {owner} of owned jobs
    idempotency:{key}    the id of the job that the key stands for
    owner:{owner}:...    jobs:{STATUS} and idempotency:{key} of an owner; without one, those above
    owned:{STATUS}       sorted set of the open ids of all owners, for the order of all jobs in the queue
    leases               sorted set {id}:{index} of claimed segments by the moment at which the claim runs out
    deadlines            sorted set of started ids by the moment at which their time is up
    sent:{queue}         sorted set {id}:{index} of sent and unclaimed segments by the moment of sending
    workers              sorted set of worker processes by when they were last seen consuming
    counters             hash: how often what was done (tasks.api.store_metrics)
    pace                 moving average of milliseconds a job takes
    {queue}              list: Celery messages
    @rates:...           submissions of each owner in this minute and the one before (tasks.api.rate_limit)
    @keys                hash without a time-to-live: API keys (gql.auth.api_keys); workers have no right to an @
    events               channel: "{id} {version} {ms of the server's clock}" for each visible change of a job

Only the scripts in tasks/storage/lua change anything: each is one atomic step that checks the transition, writes,
raises the version and publishes, by the server's clock. They build their keys from the prefix, so a cluster of
servers that share one key space is not supported.
"""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from celery import Celery
from kombu import Connection
from kombu.serialization import dumps

from tasks.errors import BackendUnavailable
from tasks.jobs import (
    SEGMENT_PRIMES,
    SMALL_JOB_PRIMES,
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

    from tasks.settings import JobSettings

# Written by submit.lua; raised when an older program could misread a record.
RECORD_FORMAT = "1"

SMALL_QUEUE = "small"
LARGE_QUEUE = "large"
# In the order in which workers look at them.
QUEUES = (SMALL_QUEUE, LARGE_QUEUE)

SEGMENT_TASK = "generate_segment"

# Segments of one job that are sent at a time: enough for a few workers, few enough for jobs to take turns.
SENDING_WINDOW = 4

# A worker that has not been seen for so long is gone.
WORKER_TTL = timedelta(seconds=15)

_SCRIPTS = Path(__file__).parent / "lua"
_FENCED = frozenset({"extend_lease", "complete_segment", "fail_job"})
_OF_WORKERS = _FENCED | {"claim_segment", "release_segments", "rescue_segments", "worker_heartbeat"}


def script_text(name: str) -> str:
    """The Lua source of one of tasks/storage/lua, with what it shares with others put before it."""
    parts = ["lib", *["beyond"] * (name in _OF_WORKERS), *["held"] * (name in _FENCED), name]
    return "\n".join((_SCRIPTS / f"{part}.lua").read_text(encoding="utf-8") for part in parts)


def script_arguments(settings: JobSettings, arguments: Mapping[str, Any]) -> str:
    """The one JSON argument of a script: its own and those that every script takes."""
    shared = {
        "job_ttl_ms": settings.job_ttl_seconds * 1000,
        "result_ttl_ms": settings.result_ttl_seconds * 1000,
        "message": message_template(),
    }
    return json.dumps({**shared, **{name: value for name, value in arguments.items() if value is not None}})


@cache
def message_template() -> str:
    """A Celery message, as Celery itself writes it, in which scripts put values for @job@, @index@ and so on."""
    task = Celery(set_as_current=False).amqp.as_task_v2(
        "@job@:@index@", SEGMENT_TASK, args=("@job@", 0), kwargs={}, ignore_result=True, origin="tasks.storage.records"
    )
    content_type, content_encoding, body = dumps(task.body, serializer="json")
    headers = {**task.headers, "argsrepr": "", "traceparent": "@traceparent@"}
    with Connection("memory://") as connection, connection.channel() as channel:
        message: dict[str, Any] = channel.prepare_message(  # type: ignore[attr-defined] # of virtual transports
            body, 0, content_type, content_encoding, headers, task.properties
        )
    message["properties"] |= {
        "delivery_tag": "@tag@",
        "delivery_info": {"exchange": "", "routing_key": "@queue@"},
        "delivery_mode": 2,
    }
    # The index is a number inside the body, which is JSON itself: put in after both were encoded.
    return json.dumps(message).replace('[\\"@job@\\", 0]', '[\\"@job@\\", @index@]')


def queue_for(count: int) -> str:
    """Small jobs never wait behind big ones: they have a queue that workers look at first."""
    return SMALL_QUEUE if count <= SMALL_JOB_PRIMES else LARGE_QUEUE


def new_uuid_tail() -> str:
    """The random part of a UUID version 7; the submit script puts its clock before it."""
    return f"7{str(uuid.uuid4())[15:]}"


def parse_job(snapshot: Sequence[Any]) -> Job:
    """A job from the snapshot that scripts return: [clock, position in the queue, record as a flat list]."""
    now_ms, position, flat = snapshot
    record = {flat[i].decode(): flat[i + 1].decode() for i in range(0, len(flat), 2)}
    if record["format"] != RECORD_FORMAT:
        # In the middle of an upgrade, mostly: another server may be able to.
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
        sha256=record.get("sha256"),
        result_id=record.get("folder"),
        result_expires_at=_moment_or_none(number.get("result_expires_at")),
    )


def parse_queue(statistics: Sequence[Any], capacity: int) -> QueueStats:
    """Queue figures from the list that scripts return: [queued, running, age of the oldest or -1, pace or -1]."""
    queued, running, oldest_ms, pace_ms = statistics
    return QueueStats(
        queued=queued,
        running=running,
        capacity=capacity,
        oldest_queued_for=timedelta(milliseconds=oldest_ms) if oldest_ms >= 0 else None,
        estimated_wait=timedelta(milliseconds=queued * float(pace_ms)) if pace_ms >= 0 else None,
    )


def parse_workers(seen: Sequence[Any]) -> tuple[Worker, ...]:
    """Worker processes from a sorted set's reply: pairs of "{name} {concurrency}" and when it was seen, in ms."""
    workers = []
    for i in range(0, len(seen), 2):
        name, _, concurrency = seen[i].decode().rpartition(" ")
        workers.append(Worker(name, int(concurrency), moment(int(seen[i + 1]))))
    return tuple(workers)


def parse_lost(attempts: Iterable[Sequence[Any]]) -> tuple[LostAttempt, ...]:
    """Attempts that were given up, from a script's lists: [job, index, attempt, claimed, lost, traceparent]."""
    return tuple(
        LostAttempt(job_id.decode(), int(index), attempt, int(claimed_ms), int(lost_ms), traceparent.decode() or None)
        for job_id, index, attempt, claimed_ms, lost_ms, traceparent in attempts
    )


def moment(milliseconds: int) -> datetime:
    """A moment of the server's clock, in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def _moment_or_none(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else moment(milliseconds)


def _parse_failure(record: Mapping[str, str]) -> Failure | None:
    if "failure_reason" not in record:
        return None
    return Failure(FailureReason(record["failure_reason"]), record["failure_message"])
