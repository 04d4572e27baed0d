"""The state of the system and the limits of requests."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

import strawberry

from schema.types.scalars import SafeInt, milliseconds
from tasks import jobs

if TYPE_CHECKING:
    from schema.limits.settings import OperationLimits
    from tasks.service import JobSystem


@strawberry.type(description="Queue figures: open jobs, capacity and waiting times.")
class QueueStats:
    queued: int = strawberry.field(description="Number of jobs waiting for a worker.")
    running: int = strawberry.field(description="Number of jobs with a part claimed by a worker.")
    capacity: int = strawberry.field(
        description="Maximum number of queued and running jobs. Further submissions are refused."
    )
    oldest_queued_ms: int | None = strawberry.field(
        description="Milliseconds that the oldest queued job has waited. Null if no job is queued."
    )
    estimated_wait_ms: int | None = strawberry.field(
        description="Estimated milliseconds that a job submitted now would wait, from the recent rate. Null if unknown."
    )

    @classmethod
    def of(cls, queue: jobs.QueueStats) -> Self:
        return cls(
            queued=queue.queued,
            running=queue.running,
            capacity=queue.capacity,
            oldest_queued_ms=None if queue.oldest_queued_for is None else milliseconds(queue.oldest_queued_for),
            estimated_wait_ms=None if queue.estimated_wait is None else milliseconds(queue.estimated_wait),
        )


@strawberry.type(description="A worker that sent a heartbeat within the last 15 seconds.")
class Worker:
    name: str = strawberry.field(description="Celery node name.")
    concurrency: int = strawberry.field(description="Number of segments that it computes at the same time.")
    last_seen_at: datetime = strawberry.field(description="Time of its last heartbeat.")

    @classmethod
    def of(cls, worker: jobs.Worker) -> Self:
        return cls(name=worker.name, concurrency=worker.concurrency, last_seen_at=worker.last_heartbeat_at)


@strawberry.type(description="State of the system at one time.")
class SystemStats:
    at: datetime = strawberry.field(description="Time of the state, by the job store's clock.")
    queue: QueueStats = strawberry.field(description="Queue figures: open jobs, capacity and waiting times.")
    workers: list[Worker] = strawberry.field(description="Active workers.")
    subscribers: int = strawberry.field(description="Number of open job streams on the API process that responds.")

    @classmethod
    def of(cls, state: jobs.SystemState, subscribers: int) -> Self:
        return cls(
            at=state.at,
            queue=QueueStats.of(state.queue),
            workers=[Worker.of(worker) for worker in state.workers],
            subscribers=subscribers,
        )


@strawberry.type(description="Limits of requests. A request beyond one is refused with its value.")
class Limits:
    max_count: int = strawberry.field(description="Maximum number of primes in a job.")
    max_start: SafeInt = strawberry.field(
        description="Maximum start of a job for one prime. It is lower for more primes: all must be below 2^53."
    )
    max_page_size: int = strawberry.field(description="Maximum number of elements in a page of any connection.")
    max_wait_ms: int = strawberry.field(description="Maximum of waitMs.")
    result_ttl_seconds: int = strawberry.field(description="Seconds to keep a result after the job succeeded.")
    job_ttl_seconds: int = strawberry.field(description="Seconds to keep a job after its last change.")
    idempotency_ttl_seconds: int = strawberry.field(
        description="Seconds during which an idempotency key returns its job."
    )

    @classmethod
    def of(cls, system: JobSystem, limits: OperationLimits) -> Self:
        return cls(
            max_count=system.settings.max_count,
            max_start=SafeInt(jobs.LARGEST_PRIME),
            max_page_size=limits.max_page_size,
            max_wait_ms=limits.max_wait_ms,
            result_ttl_seconds=system.settings.result_ttl_seconds,
            job_ttl_seconds=system.settings.job_ttl_seconds,
            idempotency_ttl_seconds=system.settings.idempotency_ttl_seconds,
        )
