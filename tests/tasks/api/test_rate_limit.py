"""Each caller has a share: of submissions in a minute, of open jobs, and of the primes that these are asked for."""

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
from tasks.service import JobService
from tasks.settings import JobSettings
from tests import programs
from tests.tasks.keys import compute_result, grant_claim

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import redis

    from tasks.worker.job_recorder import JobRecorder

WIDE = 1_000_000


def caller(name: str = "alice", per_minute: int = WIDE, open_jobs: int = 1_000, open_count: int = 10**9) -> Caller:
    return Caller(f"key:{name}", CallerLimits(per_minute, open_jobs, open_count))


@pytest_asyncio.fixture
async def service(settings: JobSettings) -> AsyncIterator[JobService]:
    service = JobService.connect(settings)
    service.start()
    yield service
    await service.stop()


async def accepted(service: JobService, who: Caller, times: int, count: int = 10) -> int:
    """How many of so many submissions at a time are accepted."""
    mine = service.for_caller(who)
    outcomes = await asyncio.gather(
        *(mine.submit_job(PrimesRequest(count)) for _ in range(times)), return_exceptions=True
    )
    assert all(isinstance(outcome, RateLimited) for outcome in outcomes if isinstance(outcome, BaseException))
    return sum(not isinstance(outcome, BaseException) for outcome in outcomes)


async def test_a_caller_submits_so_often_and_no_more(service: JobService) -> None:
    assert await accepted(service, caller(per_minute=5), 20) == 5
    with pytest.raises(RateLimited, match="rate limit exceeded: at most 5 submissions per minute") as refused:
        await service.for_caller(caller(per_minute=5)).submit_job(PrimesRequest(1))
    assert timedelta(seconds=1) <= refused.value.retry_after <= timedelta(minutes=1)
    assert await accepted(service, caller("bob", per_minute=5), 1) == 1
    assert await accepted(service, ANYONE, 20) == 20


async def test_the_rate_is_one_for_all_processes(service: JobService, settings: JobSettings) -> None:
    assert await accepted(service, caller(per_minute=5), 3) == 3
    other = JobService.connect(settings)
    assert await accepted(other, caller(per_minute=5), 3) == 2
    await other.stop()


async def test_a_retry_is_a_submission(service: JobService) -> None:
    mine = service.for_caller(caller(per_minute=2))
    job = (await mine.submit_job(PrimesRequest(10))).job
    await mine.cancel_job(job.id)
    await mine.retry_job(job.id)
    with pytest.raises(RateLimited):
        await mine.retry_job(job.id)


async def test_a_caller_has_so_many_jobs_open_and_no_more(service: JobService, recorder: JobRecorder) -> None:
    who = caller(open_jobs=3)
    assert await accepted(service, who, 10) == 3
    assert await accepted(service, caller("bob", open_jobs=3), 1) == 1
    mine = service.for_caller(who)
    [job] = (await mine.list_jobs(JobPageRequest(size=1))).jobs
    claim = grant_claim(recorder, job)
    assert await accepted(service, who, 1) == 0
    recorder.complete_segment(claim, compute_result(claim))
    assert await accepted(service, who, 2) == 1


async def test_a_caller_has_so_many_primes_open_and_no_more(service: JobService) -> None:
    who = caller(open_count=1_000)
    assert await accepted(service, who, 10, count=300) == 3
    mine = service.for_caller(who)
    with pytest.raises(RateLimited, match="caller limit reached: jobs for 900 primes are open"):
        await mine.submit_job(PrimesRequest(101))
    assert (await mine.submit_job(PrimesRequest(100))).job.count == 100
    # More than one may ever have open is no matter of time.
    with pytest.raises(InvalidRequest, match="must be 1 to 1000"):
        await mine.submit_job(PrimesRequest(1_001))


async def test_what_is_found_by_its_key_is_no_job_more(service: JobService) -> None:
    mine = service.for_caller(caller(open_jobs=1))
    first = await mine.submit_job(PrimesRequest(10, idempotency_key="k"))
    again = await mine.submit_job(PrimesRequest(10, idempotency_key="k"))
    assert (again.replayed, again.job.id) == (True, first.job.id)


async def test_nothing_is_counted_of_those_without_limits(service: JobService, redis_client: redis.Redis) -> None:
    await service.submit_job(PrimesRequest(10))
    await service.for_caller(Caller("key:alice")).submit_job(PrimesRequest(10))
    assert list(redis_client.scan_iter(f"{service.settings.key_prefix}@rates*", count=1_000)) == []
    await service.for_caller(caller()).submit_job(PrimesRequest(10))
    assert list(redis_client.scan_iter(f"{service.settings.key_prefix}@rates*", count=1_000)) != []


async def test_a_frozen_store_is_answered_for_in_time(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server:
        rates = SubmissionRateLimiter.connect(JobSettings(redis_url=server.url, key_prefix="frozen:"))
        await rates.count_submission(caller())
        server.freeze()
        began = asyncio.get_running_loop().time()
        with pytest.raises(BackendUnavailable):
            await rates.count_submission(caller())
        assert asyncio.get_running_loop().time() - began < 3.5
        server.thaw()
        await rates.close()
