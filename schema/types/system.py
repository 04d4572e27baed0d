"""The system as its users see it: how full it is, who works, and what one may ask for."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

import strawberry

from schema.types.scalars import SafeInt, milliseconds
from tasks import jobs

if TYPE_CHECKING:
    from schema.limits.settings import OperationLimits
    from tasks.service import JobService


@strawberry.type(description="How full the system is.")
class QueueStats:
    """How full the system is."""

    queued: int = strawberry.field(description="Jobs that wait for a worker.")
    running: int = strawberry.field(description="Jobs that workers are at.")
    capacity: int = strawberry.field(description="Most jobs queued and running together; more are refused.")
    oldest_queued_ms: int | None = strawberry.field(
        description="Age of the job that has waited longest; null if none waits."
    )
    estimated_wait_ms: int | None = strawberry.field(
        description="How long a job submitted now would wait, from the pace of late; null while there is none to tell."
    )

    @classmethod
    def of(cls, queue: jobs.QueueStats) -> Self:
        """From the domain."""
        return cls(
            queued=queue.queued,
            running=queue.running,
            capacity=queue.capacity,
            oldest_queued_ms=None if queue.oldest_queued_for is None else milliseconds(queue.oldest_queued_for),
            estimated_wait_ms=None if queue.estimated_wait is None else milliseconds(queue.estimated_wait),
        )


@strawberry.type(description="A worker that was seen consuming within the last 15 seconds.")
class Worker:
    """A worker that was seen consuming."""

    name: str = strawberry.field(description="Its Celery node name.")
    concurrency: int = strawberry.field(description="How many segments it computes at a time.")
    last_seen_at: datetime = strawberry.field(description="When it last said that it is consuming.")

    @classmethod
    def of(cls, worker: jobs.Worker) -> Self:
        """From the domain."""
        return cls(name=worker.name, concurrency=worker.concurrency, last_seen_at=worker.last_heartbeat_at)


@strawberry.type(description="The system at one moment.")
class SystemStats:
    """The system at one moment."""

    at: datetime = strawberry.field(description="The moment, by the job store's clock.")
    queue: QueueStats = strawberry.field(description="How full the system is.")
    workers: list[Worker] = strawberry.field(description="Who works.")
    subscribers: int = strawberry.field(description="Job streams open on the API process that answers.")

    @classmethod
    def of(cls, state: jobs.SystemState, subscribers: int) -> Self:
        """From the domain."""
        return cls(
            at=state.at,
            queue=QueueStats.of(state.queue),
            workers=[Worker.of(worker) for worker in state.workers],
            subscribers=subscribers,
        )


@strawberry.type(description="What one may ask for; requests beyond are refused with these figures.")
class Limits:
    """What one may ask for."""

    max_count: int = strawberry.field(description="Most primes a job can be asked for.")
    max_start: SafeInt = strawberry.field(
        description="Largest start of a job of one prime. More primes must start lower, so that all stay below 2^53."
    )
    max_page_size: int = strawberry.field(description="Most elements in one page of any connection.")
    max_wait_ms: int = strawberry.field(description="Longest waitMs.")
    result_ttl_seconds: int = strawberry.field(description="A result can be read for so long after the job succeeded.")
    job_ttl_seconds: int = strawberry.field(description="A job is known for so long after its last change.")
    idempotency_ttl_seconds: int = strawberry.field(description="An idempotency key stands for its job for so long.")

    @classmethod
    def of(cls, service: JobService, limits: OperationLimits) -> Self:
        """From the settings."""
        return cls(
            max_count=service.settings.max_count,
            max_start=SafeInt(jobs.LARGEST_PRIME),
            max_page_size=limits.max_page_size,
            max_wait_ms=limits.max_wait_ms,
            result_ttl_seconds=service.settings.result_ttl_seconds,
            job_ttl_seconds=service.settings.job_ttl_seconds,
            idempotency_ttl_seconds=service.settings.idempotency_ttl_seconds,
        )
