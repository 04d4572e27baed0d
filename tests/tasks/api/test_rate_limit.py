"""Limits per caller: submissions per minute, open jobs, and primes requested by open jobs."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from tasks.api.rate_limit import SubmissionRateLimiter
from tasks.callers import ANYONE, Caller, CallerLimits
from tasks.errors import BackendUnavailable, InvalidRequest, RateLimited
from tasks.requests import JobPageRequest, PrimesRequest
from tasks.service import JobSystem
from tasks.settings import JobSettings
from tests import programs
from tests.stopwatch import Stopwatch
from tests.tasks.keys import compute_result, grant_claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import redis

    from tasks.worker.job_recorder import JobRecorder

UNLIMITED = 1_000_000


def caller(name: str = "alice", per_minute: int = UNLIMITED, open_jobs: int = 1_000, open_count: int = 10**9) -> Caller:
    return Caller(f"key:{name}", CallerLimits(per_minute, open_jobs, open_count))


@pytest_asyncio.fixture
async def system(settings: JobSettings) -> AsyncIterator[JobSystem]:
    system = JobSystem.connect(settings)
    system.start()
    yield system
    await system.stop()


async def count_accepted(system: JobSystem, limited: Caller, times: int, count: int = 10) -> int:
    """Submit `times` jobs concurrently. Returns the number of accepted ones."""
    mine = system.for_caller(limited)
    outcomes = await asyncio.gather(
        *(mine.submit_job(PrimesRequest(count)) for _ in range(times)), return_exceptions=True
    )
    assert all(isinstance(outcome, RateLimited) for outcome in outcomes if isinstance(outcome, BaseException))
    return sum(not isinstance(outcome, BaseException) for outcome in outcomes)


async def test_submissions_above_the_rate_are_refused(system: JobSystem) -> None:
    assert await count_accepted(system, caller(per_minute=5), 20) == 5
    with pytest.raises(RateLimited, match="rate limit exceeded: at most 5 submissions per minute") as refused:
        await system.for_caller(caller(per_minute=5)).submit_job(PrimesRequest(1))
    assert timedelta(seconds=1) <= refused.value.retry_after <= timedelta(minutes=1)
    assert await count_accepted(system, caller("bob", per_minute=5), 1) == 1
    assert await count_accepted(system, ANYONE, 20) == 20


async def test_rate_is_shared_by_all_processes(system: JobSystem, settings: JobSettings) -> None:
    assert await count_accepted(system, caller(per_minute=5), 3) == 3
    other = JobSystem.connect(settings)
    assert await count_accepted(other, caller(per_minute=5), 3) == 2
    await other.stop()


async def test_retry_counts_as_a_submission(system: JobSystem) -> None:
    mine = system.for_caller(caller(per_minute=2))
    job = (await mine.submit_job(PrimesRequest(10))).job
    await mine.cancel_job(job.id)
    await mine.retry_job(job.id)
    with pytest.raises(RateLimited):
        await mine.retry_job(job.id)


async def test_jobs_above_the_limit_of_open_jobs_are_refused(system: JobSystem, recorder: JobRecorder) -> None:
    limited = caller(open_jobs=3)
    assert await count_accepted(system, limited, 10) == 3
    assert await count_accepted(system, caller("bob", open_jobs=3), 1) == 1
    mine = system.for_caller(limited)
    [job] = (await mine.list_jobs(JobPageRequest(size=1))).jobs
    claim = grant_claim(recorder, job)
    assert await count_accepted(system, limited, 1) == 0
    recorder.complete_segment(claim, compute_result(claim))
    assert await count_accepted(system, limited, 2) == 1


async def test_jobs_above_the_limit_of_open_primes_are_refused(system: JobSystem) -> None:
    limited = caller(open_count=1_000)
    assert await count_accepted(system, limited, 10, count=300) == 3
    mine = system.for_caller(limited)
    with pytest.raises(RateLimited, match="caller limit reached: jobs for 900 primes are open"):
        await mine.submit_job(PrimesRequest(101))
    assert (await mine.submit_job(PrimesRequest(100))).job.count == 100
    # A count above the limit can never be accepted.
    with pytest.raises(InvalidRequest, match="must be 1 to 1000"):
        await mine.submit_job(PrimesRequest(1_001))


async def test_replayed_submission_does_not_count_as_an_open_job(system: JobSystem) -> None:
    mine = system.for_caller(caller(open_jobs=1))
    first = await mine.submit_job(PrimesRequest(10, idempotency_key="k"))
    again = await mine.submit_job(PrimesRequest(10, idempotency_key="k"))
    assert (again.replayed, again.job.id) == (True, first.job.id)


async def test_callers_without_limits_are_not_counted(system: JobSystem, redis_client: redis.Redis) -> None:
    await system.for_caller(ANYONE).submit_job(PrimesRequest(10))
    await system.for_caller(Caller("key:alice")).submit_job(PrimesRequest(10))
    assert list(redis_client.scan_iter(f"{system.settings.key_prefix}@rates*", count=1_000)) == []
    await system.for_caller(caller()).submit_job(PrimesRequest(10))
    assert list(redis_client.scan_iter(f"{system.settings.key_prefix}@rates*", count=1_000)) != []


async def test_frozen_server_raises_backend_unavailable_in_time(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server:
        limiter = SubmissionRateLimiter.connect(JobSettings(redis_url=server.url, key_prefix="frozen:"))
        await limiter.count_submission(caller())
        server.freeze()
        with Stopwatch() as watch, pytest.raises(BackendUnavailable):
            await limiter.count_submission(caller())
        assert watch.seconds < 2.5
        server.thaw()
        await limiter.close()
