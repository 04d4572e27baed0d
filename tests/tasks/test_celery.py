"""Real workers take the messages that scripts write, and lose nothing when they are killed."""

from __future__ import annotations

import os
import signal
import uuid
from typing import TYPE_CHECKING

import psutil
import pytest

from tasks import engine
from tasks.api.job_store import JobStore
from tasks.jobs import SEGMENT_PRIMES, FailureReason, Job, JobStatus
from tasks.requests import PrimesRequest
from tasks.results.delta_codec import sha256
from tasks.results.reader import ResultReader
from tasks.results.segments import SegmentStore
from tasks.worker.job_recorder import CompletionOutcome, JobRecorder
from tests import programs
from tests.tasks.engine.sieve import primes_below
from tests.tasks.keys import fake_result
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis

    from tasks.settings import JobSettings
    from tests.programs import Program, Valkey
    from tests.tasks.keys import Keys


@pytest.fixture(scope="module")
def worker_prefix() -> str:
    return f"worker-{uuid.uuid4().hex}:"


@pytest.fixture(scope="module")
def worker(valkey: Valkey, worker_prefix: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with programs.worker(tmp_path_factory.mktemp("worker"), valkey.url, worker_prefix) as worker:
        yield worker


@pytest.fixture
def served(settings: JobSettings, worker: Program, worker_prefix: str) -> JobSettings:
    """Settings of a system that has a worker."""
    assert worker.process.poll() is None
    return settings.model_copy(update={"key_prefix": worker_prefix})


async def ended(store: JobStore, job: Job, seconds: float = 15) -> Job:
    final: list[Job] = []

    async def is_final() -> bool:
        [found] = await store.get_jobs([job.id])
        assert found is not None
        final[:] = [found]
        return found.status.is_final

    await eventually(is_final, seconds)
    return final[0]


@pytest.mark.parametrize("count", [1, 10_000, 20_000])
async def test_a_worker_computes_what_was_asked_for(served: JobSettings, count: int) -> None:
    store = JobStore.connect(served)
    job = await ended(store, (await store.submit_job(PrimesRequest(count))).job)
    found = await ResultReader(store, SegmentStore.connect(served.results_url)).primes(job, 0, count)
    await store.close()
    assert (job.status, job.done, job.attempt) == (JobStatus.SUCCEEDED, count, 1)
    assert found.tolist() == primes_below(230_000).tolist()[:count]


@pytest.mark.parametrize("start", [2, 10**12])
async def test_a_job_of_several_segments_is_computed_by_all_and_sealed_by_the_last(
    served: JobSettings, start: int
) -> None:
    """Its checksum is that of the primes in order, however they were cut and in whatever order they were found."""
    count = 3 * SEGMENT_PRIMES + 5
    store = JobStore.connect(served)
    job = await ended(store, (await store.submit_job(PrimesRequest(count, start))).job)
    expected = engine.primes_from(start, count)
    results = ResultReader(store, SegmentStore.connect(served.results_url))
    assert (job.status, job.done, job.available, job.attempt) == (JobStatus.SUCCEEDED, count, count, 1)
    assert (job.first, job.last, job.sha256) == (int(expected[0]), int(expected[-1]), sha256(expected))
    for index in (0, SEGMENT_PRIMES - 2, SEGMENT_PRIMES, 2 * SEGMENT_PRIMES - 1, count - 3):
        assert (await results.primes(job, index, 5)).tolist() == expected[index : index + 5].tolist()
        assert await results.index_of(job, int(expected[index])) == index
    await store.close()


async def test_a_result_that_can_not_be_kept_fails_the_job_and_no_other(
    valkey: Valkey, settings: JobSettings, tmp_path: Path
) -> None:
    """A file is where the folder should be: nobody, not even root, can write below it."""
    (tmp_path / "results").write_text("not a folder", encoding="utf-8")
    store = JobStore.connect(settings)
    nowhere = {"RESULTS_URL": (tmp_path / "results").as_uri()}
    with programs.worker(tmp_path, valkey.url, settings.key_prefix, 1, (), **nowhere):
        large = await ended(store, (await store.submit_job(PrimesRequest(20_000))).job)
        small = await ended(store, (await store.submit_job(PrimesRequest(10))).job)
    await store.close()
    assert (large.status, small.status) == (JobStatus.FAILED, JobStatus.SUCCEEDED)
    assert large.failure is not None
    assert (large.failure.reason, large.failure.retryable) == (FailureReason.RESULT_STORE, True)


async def test_repeated_messages_are_harmless(served: JobSettings, redis_client: redis.Redis) -> None:
    """Of jobs that are queued, running and done."""
    store, key = JobStore.connect(served), f"{served.key_prefix}large"
    other = JobStore.connect(served.model_copy(update={"key_prefix": f"{served.key_prefix}template:"}))
    jobs = []
    for _ in range(5):
        job = (await store.submit_job(PrimesRequest(20_000))).job
        template = (await other.submit_job(PrimesRequest(20_000))).job
        message = redis_client.lindex(f"{served.key_prefix}template:large", 0)
        assert isinstance(message, bytes)
        repeated = message.replace(template.id.encode(), job.id.encode())
        for _ in range(4):
            redis_client.lpush(key, repeated)
        jobs.append(job)
    found = [await ended(store, job) for job in jobs]

    async def taken() -> bool:
        return redis_client.llen(key) == 0

    await eventually(taken)
    after = await store.get_jobs([job.id for job in jobs])
    assert [(job.status, job.version, job.attempt) for job in found] == [(JobStatus.SUCCEEDED, 3, 1)] * 5
    assert [job.version for job in after if job] == [3] * 5
    for _ in jobs:
        redis_client.delete(*redis_client.scan_iter(f"{served.key_prefix}template:*"))
        break
    await store.close()
    await other.close()


async def test_what_cannot_be_computed_fails_with_words_that_are_safe(
    served: JobSettings, redis_client: redis.Redis
) -> None:
    """A record whose start no request could have had: the primes would pass 2^53."""
    store = JobStore.connect(served)
    job = (await store.submit_job(PrimesRequest(10, 2**53 - 1))).job
    failed = await ended(store, job)
    await store.close()
    assert failed.status is JobStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.reason is FailureReason.INTERNAL
    assert failed.failure.message == "segment 0 could not be computed"
    assert redis_client.zscore(f"{served.key_prefix}leases", f"{job.id}:0") is None


async def test_the_work_of_a_killed_worker_is_done_by_another(tmp_path: Path, settings: JobSettings) -> None:
    store, lease = JobStore.connect(settings), {"LEASE_SECONDS": "1"}
    url, prefix = str(settings.redis_url), settings.key_prefix
    with programs.worker(tmp_path / "first", url, prefix, processes=1, **lease) as first:
        # Ten segments at a far start: long enough to be caught at it.
        job = (await store.submit_job(PrimesRequest(2**20, 2**52))).job

        async def is_running() -> bool:
            [found] = await store.get_jobs([job.id])
            assert found is not None
            if found.status is JobStatus.RUNNING:
                os.killpg(first.process.pid, signal.SIGSTOP)
                return True
            assert not found.status.is_final
            return False

        for child in psutil.Process(first.process.pid).children():
            # Slower by far than the test that watches it.
            child.nice(19)
        await eventually(is_running)
        first.kill()
        [found] = await store.get_jobs([job.id])
        assert found is not None
        killed_at_work = found.status is JobStatus.RUNNING
        with programs.worker(tmp_path / "second", url, prefix, processes=1, **lease):
            done = await ended(store, job)
    await store.close()
    assert killed_at_work
    assert (done.status, done.attempt) == (JobStatus.SUCCEEDED, 2)


async def test_small_jobs_are_taken_first(tmp_path: Path, settings: JobSettings, keys: Keys) -> None:
    store = JobStore.connect(settings)
    large = [(await store.submit_job(PrimesRequest(20_000))).job for _ in range(5)]
    small = [(await store.submit_job(PrimesRequest(10))).job for _ in range(5)]
    url, prefix = str(settings.redis_url), settings.key_prefix
    with programs.worker(tmp_path, url, prefix, processes=1):
        for job in large + small:
            assert (await ended(store, job)).status is JobStatus.SUCCEEDED
    await store.close()
    started = {job.id: int(keys.record(job.id)["started_at"]) for job in large + small}
    assert max(started[job.id] for job in small) <= min(started[job.id] for job in large)


async def test_a_worker_sends_again_what_was_lost(served: JobSettings, redis_client: redis.Redis) -> None:
    """Taken by somebody that died at once; its lease has run out."""
    store = JobStore.connect(served.model_copy(update={"key_prefix": served.key_prefix}))
    job = (await store.submit_job(PrimesRequest(10, idempotency_key=uuid.uuid4().hex))).job
    recorder = JobRecorder.connect(served)
    claim = recorder.claim_segment(job.id, 0)
    redis_client.zadd(f"{served.key_prefix}leases", {f"{job.id}:0": 1}, xx=True)
    done = await ended(store, job)
    await store.close()
    assert done.status is JobStatus.SUCCEEDED
    assert claim is None or recorder.complete_segment(claim, fake_result()) is CompletionOutcome.FENCED
