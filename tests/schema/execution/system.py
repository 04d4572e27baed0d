"""A job system without a store, whose replies depend on the arguments only: values, nulls, failures and bugs.

It logs when each call starts and ends. Calls take different numbers of steps of the event loop.
"""

from __future__ import annotations

import asyncio
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks import errors
from tasks.jobs import (
    Failure,
    FailureReason,
    Job,
    JobPage,
    JobStatus,
    JobUpdate,
    QueueStats,
    SystemState,
    Worker,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from tasks.requests import JobPageRequest, PrimesRequest

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)

SUCCEEDED = Job(
    id="01945b7e-1c2d-7abc-8def-0123456789ab",
    status=JobStatus.SUCCEEDED,
    version=5,
    count=2_000,
    start=2,
    done=2_000,
    created_at=NOW,
    started_at=NOW + timedelta(seconds=1),
    finished_at=NOW + timedelta(seconds=3),
    read_at=NOW + timedelta(seconds=9),
    attempt=1,
    max_attempts=3,
    available=2_000,
    first=2,
    last=17_389,
    digests="ab" * 32,
    result_expires_at=NOW + timedelta(days=1),
    idempotency_key="key",
    traceparent="00-" + "1" * 32 + "-" + "2" * 16 + "-01",
)
RUNNING = replace(
    SUCCEEDED, id="running", status=JobStatus.RUNNING, available=7, done=9, first=None, finished_at=None, digests=None
)
FAILED = replace(RUNNING, id="failed", status=JobStatus.FAILED, failure=Failure(FailureReason.TIMEOUT, "Too slow."))
JOBS: dict[str, Any] = {
    "succeeded": SUCCEEDED,
    "running": RUNNING,
    "failed": FAILED,
    "queued": replace(RUNNING, id="queued", status=JobStatus.QUEUED, started_at=None, available=0, queue_position=3),
    "retry": replace(SUCCEEDED, id="retry", retry_of="failed"),
    "retry of a bug": replace(SUCCEEDED, id="retry of a bug", retry_of="bug"),
    # Values that do not have their types, at fields that must not be null and at others.
    "null": replace(RUNNING, id="null", created_at=None),  # type: ignore[arg-type]
    "large": replace(RUNNING, id="large", version=2**40, queue_position=2**40),
    "zero": replace(RUNNING, id="zero", count=0, done=0),
    "text": replace(RUNNING, id="text", start="x", finished_at="x", first="x"),  # type: ignore[arg-type]
    "status": replace(FAILED, id="status", failure=Failure("x", None)),  # type: ignore[arg-type]
    "large retry": replace(RUNNING, id="large retry", version=2**40, retry_of="bug"),
    "no parts": replace(RUNNING, id="no parts", traceparent="x"),
}
FAILURES: dict[str, Exception] = {
    "bug": RuntimeError("a bug"),
    "unavailable": errors.BackendUnavailable(),
    "not found": errors.JobNotFound("not found"),
    "finished": errors.JobAlreadyFinished(SUCCEEDED),
    "not retryable": errors.JobNotRetryable(RUNNING),
    "full": errors.QueueFull(QueueStats(5, 5, 10, None, timedelta(seconds=1)), timedelta(seconds=2)),
    "limited": errors.RateLimited("too many", timedelta(seconds=2)),
    "conflict": errors.IdempotencyConflict(FAILED),
    "invalid": errors.InvalidRequest([errors.FieldIssue(("count",), "too small", 1, 2**60)]),
}
IDS = ("unknown", *JOBS, *FAILURES)


class FakeSystem:
    """JobSystem and JobService at once."""

    subscribers = 4
    settings = SimpleNamespace(max_count=10**8, result_ttl_seconds=60, job_ttl_seconds=60, idempotency_ttl_seconds=60)

    def __init__(self) -> None:
        self.log: list[str] = []

    def for_caller(self, _: object) -> FakeSystem:
        return self

    async def _step(self, *call: object) -> None:
        text = " ".join(map(str, call))
        self.log.append(f"start {text}")
        for _ in range(zlib.crc32(text.encode()) % 4):
            await asyncio.sleep(0)
        self.log.append(f"end {text}")

    async def _job(self, name: str, job_id: str) -> Job | None:
        await self._step(name, job_id)
        if job_id in FAILURES:
            raise FAILURES[job_id]
        return JOBS.get(job_id)

    async def get_job(self, job_id: str, *_: object) -> Job | None:
        return await self._job("get", job_id)

    async def cancel_job(self, job_id: str) -> Job | None:
        return await self._job("cancel", job_id)

    async def retry_job(self, job_id: str) -> Job | None:
        return await self._job("retry", job_id)

    async def get_jobs(self, job_ids: list[str]) -> list[Job | None]:
        return [await self._job("list", job_id) for job_id in job_ids]

    async def submit_job(self, request: PrimesRequest) -> Any:
        job = await self._job("submit", request.idempotency_key or "succeeded")
        request.check(10**8)
        return SimpleNamespace(job=job, replayed=request.count % 2 == 0)

    async def wait_for_update(self, job: Job, wait: timedelta) -> Job:
        await self._step("wait", wait)
        return job

    async def list_jobs(self, request: JobPageRequest) -> JobPage:
        await self._step("list", request)
        names = list(JOBS)[: request.size] if request.created_after is None else ["succeeded"]
        return JobPage(tuple(JOBS[name] for name in names if name != "no parts"), 0, 1, 2**31)

    async def watch_job(self, job_id: str, *_: object, **__: object) -> AsyncGenerator[JobUpdate]:
        for folded in range(3):
            job = await self._job("watch", job_id)
            if job is None:
                raise errors.JobNotFound(job_id)
            yield JobUpdate(job, folded)

    async def read_primes(self, job: Job, offset: int, count: int) -> Any:
        await self._job("read", job.id if job.id not in {"failed", "zero"} else "unavailable")
        return np.arange(offset, min(offset + count, job.readable), dtype=np.uint64)

    async def find_index(self, job: Job, value: int) -> int | None:
        await self._step("find", job.id, value)
        return None if value > 2**31 else value

    async def export_result(self, job: Job, form: str) -> Any:
        await self._step("export", job.id, form)
        if form == "csv":
            raise errors.BackendUnavailable
        return SimpleNamespace(size=10**12) if form == "parquet" else None

    def record_primes_served(self, primes: int, endpoint: str) -> None:
        self.log.append(f"{primes} to {endpoint}")

    async def get_system_state(self) -> SystemState:
        await self._step("state")
        queue = QueueStats(1, 2, 10, timedelta(milliseconds=1500), None)
        return SystemState(NOW, queue, (Worker("one", 2, NOW), Worker("two", None, NOW)))  # type: ignore[arg-type]

    async def watch_system_state(self, *_: object) -> AsyncGenerator[SystemState]:
        for _number in range(2):
            yield await self.get_system_state()
