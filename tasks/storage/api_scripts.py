"""Calls of the scripts that the API runs: their arguments and replies. See tasks.storage.scripts."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

from tasks.jobs import Job, JobPage, JobStatus, SystemState
from tasks.storage.messages import SMALL_QUEUE
from tasks.storage.records import moment, parse_counters, parse_fields, parse_job, parse_queue, parse_workers
from tasks.storage.scripts import Reply, Script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tasks.jobs import QueueStats, Worker


def _uuid_tail() -> str:
    """The random part of a UUID version 7, with version and variant. A tenth of the cost of a `uuid.UUID`."""
    digits = os.urandom(10).hex()
    return f"7{digits[:3]}-{'89ab'[int(digits[3], 16) % 4]}{digits[4:7]}-{digits[7:19]}"


@dataclass(frozen=True, slots=True)
class SubmitReply:
    """What became of a submission.

    Args:
        outcome: "created"; "replayed": the idempotency key found this job; "conflict": that job has other arguments;
            "refused": the job to retry has a status that does not allow it; "unknown": it does not exist; "limited":
            the owner has reached a limit; "full": the queue has reached its capacity.
        job_id: the new job, or the one that the outcome is about.
        job: only if created and not a retry: others must be read.
        queue: only if full.
        exceeded: only if limited: the owner's open jobs or primes.
    """

    outcome: Literal["created", "replayed", "conflict", "refused", "unknown", "limited", "full"]
    job_id: str | None = None
    job: Job | None = None
    queue: QueueStats | None = None
    exceeded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitJob(Script[SubmitReply]):
    """Accepts a job, or a retry of another one.

    Args:
        owner: empty: jobs without an owner.
        count: number of primes, as text: scripts print numbers with 14 digits. None for a retry, like the three below.
        start: the job's start, as text for the same reason.
        segments: number of segments.
        queue: the job's queue.
        retry_of: id of the job to retry.
        idempotency_key: finds the job again.
        traceparent: trace context for the record and the messages.
        open_jobs: maximum number of the owner's open jobs; None: unlimited.
        open_count: maximum number of primes of these together; None: unlimited.
        uuid_tail: random part of a UUID version 7; the script puts the server's time in front.
    """

    name = "submit_job"
    owner: str
    count: str | None = None
    start: str | None = None
    segments: int | None = None
    queue: str | None = None
    retry_of: str | None = None
    idempotency_key: str | None = None
    traceparent: str | None = None
    open_jobs: int | None = None
    open_count: int | None = None
    uuid_tail: str = field(default_factory=_uuid_tail)

    def parse(self, reply: Reply) -> SubmitReply:
        """What became of the submission."""
        found = parse_fields(reply)
        job_id, exceeded, queue = found.get("id"), found.get("exceeded"), found.get("queue")
        is_new = "now" in found and self.retry_of is None
        return SubmitReply(
            outcome=found["outcome"].decode(),
            job_id=None if job_id is None else job_id.decode(),
            job=self._new_job(found) if is_new else None,
            queue=None if queue is None else parse_queue(queue),
            exceeded=None if exceeded is None else exceeded.decode(),
        )

    def _new_job(self, found: Mapping[str, Any]) -> Job:
        """The job as it was stored: what was submitted, and what the reply adds."""
        now, job_id = moment(found["now"]), found["id"].decode()
        return Job(
            id=job_id,
            status=JobStatus.QUEUED,
            version=1,
            count=int(self.count or 0),
            start=int(self.start or 0),
            done=0,
            created_at=now,
            read_at=now,
            attempt=1,
            max_attempts=found["max_attempts"],
            idempotency_key=self.idempotency_key,
            queue_position=found["position"],
            traceparent=self.traceparent,
            result_id=None if self.queue == SMALL_QUEUE else job_id,
        )


@dataclass(frozen=True, slots=True)
class CancelReply:
    """What became of a cancellation: "refused" if the job is final, "unknown" if the owner has no such job."""

    outcome: Literal["cancelled", "refused", "unknown"]
    job: Job | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob(Script[CancelReply]):
    """Cancels a job of an owner."""

    name = "cancel_job"
    job: str
    owner: str

    def parse(self, reply: Reply) -> CancelReply:
        """What became of the cancellation."""
        found = parse_fields(reply)
        job = found.get("job")
        return CancelReply(found["outcome"].decode(), None if job is None else parse_job(job))


@dataclass(frozen=True, slots=True, kw_only=True)
class GetJobs(Script["list[Job | None]"]):
    """Reads several jobs of an owner at one moment."""

    name = "get_jobs"
    jobs: Sequence[str]
    owner: str

    def parse(self, reply: Reply) -> list[Job | None]:
        """The jobs, in the order of their ids; None for each id that is not a job of the owner."""
        return [None if job is None else parse_job(job) for job in parse_fields(reply)["jobs"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs(Script[JobPage]):
    """Reads a page of an owner's jobs, newest first. Its arguments are those of JobPageRequest."""

    name = "list_jobs"
    owner: str
    statuses: Sequence[str]
    size: int
    from_oldest: bool
    older_than: str | None
    newer_than: str | None
    created_after_ms: int | None
    created_before_ms: int | None

    def parse(self, reply: Reply) -> JobPage:
        """The page."""
        found = parse_fields(reply)
        jobs = tuple(parse_job(job) for job in found["jobs"])
        return JobPage(jobs, found["newer"], found["older"], found["total"])


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveResults(Script["set[str]"]):
    """Finds which results in the result store are still needed."""

    name = "live_results"
    result_ids: Sequence[str]

    def parse(self, reply: Reply) -> set[str]:
        """Those of the ids that are."""
        return {result_id.decode() for result_id in parse_fields(reply)["result_ids"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class GetSystemState(Script[SystemState]):
    """Reads the state of the system at one moment."""

    name = "system_state"

    def parse(self, reply: Reply) -> SystemState:
        """The state."""
        found = parse_fields(reply)
        oldest_due_ms = found.get("oldest_due_ms")
        return SystemState(
            at=moment(found["now"]),
            queue=parse_queue(found["queue"]),
            workers=parse_workers(found["workers"]),
            oldest_due=None if oldest_due_ms is None else timedelta(milliseconds=oldest_due_ms),
        )


@dataclass(frozen=True, slots=True)
class StoreSnapshot:
    """The state of the store at one moment. Keys of `counters` are the fields of the hash, split at blanks."""

    queue: QueueStats
    depths: dict[str, int]
    workers: tuple[Worker, ...]
    counters: dict[tuple[str, ...], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectMetrics(Script[StoreSnapshot]):
    """Reads all figures for metrics at one moment."""

    name = "collect_metrics"

    def parse(self, reply: Reply) -> StoreSnapshot:
        """The figures."""
        found = parse_fields(reply)
        return StoreSnapshot(
            queue=parse_queue(found["queue"]),
            depths=parse_fields(found["depths"]),
            workers=parse_workers(found["workers"]),
            counters=parse_counters(found["counters"]),
        )
