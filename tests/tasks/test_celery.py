"""Real workers process the messages that scripts write, and lose nothing when they are killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from tasks import engine
from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.jobs import SEGMENT_PRIMES, FailureReason, JobStatus
from tasks.requests import PrimesRequest
from tasks.results.reader import ResultReader
from tasks.results.segments import SegmentStore
from tasks.worker.job_recorder import JobRecorder
from tests.programs import ROOT
from tests.tasks.engine.sieve import primes_below
from tests.tasks.final_jobs import wait_until_final
from tests.tasks.keys import fake_result
from tests.verification import checksum
from tests.waiting import eventually

if TYPE_CHECKING:
    import redis

    from tasks.settings import JobSettings
    from tests.conftest import System


@pytest.fixture
def with_worker(settings: JobSettings, system: System) -> JobSettings:
    """Settings of a system with a running worker."""
    assert system.worker.process.poll() is None
    return settings.model_copy(update={"key_prefix": system.prefix, "results_url": system.results_url})


@pytest.mark.parametrize("count", [1, 10_000, 20_000])
async def test_worker_computes_the_requested_primes(with_worker: JobSettings, count: int) -> None:
    store = JobStore.connect(with_worker)
    job = await wait_until_final(store, (await store.submit_job(PrimesRequest(count), ANYONE)).job)
    found = await ResultReader(store, SegmentStore.connect(with_worker.results_url)).primes(job, 0, count)
    await store.close()
    assert (job.status, job.done, job.attempt) == (JobStatus.SUCCEEDED, count, 1)
    assert found.tolist() == primes_below(230_000).tolist()[:count]


@pytest.mark.parametrize("start", [2, 10**12])
async def test_job_of_several_segments_succeeds_with_all_primes(with_worker: JobSettings, start: int) -> None:
    """Its checksum is that of all segments in order, in whatever order they were computed."""
    count = 3 * SEGMENT_PRIMES + 5
    store = JobStore.connect(with_worker)
    job = await wait_until_final(store, (await store.submit_job(PrimesRequest(count, start), ANYONE)).job)
    expected = engine.primes_from(start, count)
    results = ResultReader(store, SegmentStore.connect(with_worker.results_url))
    assert (job.status, job.done, job.available, job.attempt) == (JobStatus.SUCCEEDED, count, count, 1)
    assert (job.first, job.last, job.sha256) == (int(expected[0]), int(expected[-1]), checksum(expected))
    for index in (0, SEGMENT_PRIMES - 2, SEGMENT_PRIMES, 2 * SEGMENT_PRIMES - 1, count - 3):
        assert (await results.primes(job, index, 5)).tolist() == expected[index : index + 5].tolist()
        assert await results.index_of(job, int(expected[index])) == index
    await store.close()


async def test_repeated_messages_are_harmless(with_worker: JobSettings, redis_client: redis.Redis) -> None:
    """For queued, running and finished jobs."""
    store, key = JobStore.connect(with_worker), f"{with_worker.key_prefix}large"
    other = JobStore.connect(with_worker.model_copy(update={"key_prefix": f"{with_worker.key_prefix}template:"}))
    jobs = []
    for _ in range(5):
        job = (await store.submit_job(PrimesRequest(20_000), ANYONE)).job
        template = (await other.submit_job(PrimesRequest(20_000), ANYONE)).job
        message = redis_client.lindex(f"{with_worker.key_prefix}template:large", 0)
        assert isinstance(message, bytes)
        repeated = message.replace(template.id.encode(), job.id.encode())
        for _ in range(4):
            redis_client.lpush(key, repeated)
        jobs.append(job)
    found = [await wait_until_final(store, job) for job in jobs]

    async def queue_is_empty() -> bool:
        return redis_client.llen(key) == 0

    await eventually(queue_is_empty)
    after = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [(job.status, job.version, job.attempt) for job in found] == [(JobStatus.SUCCEEDED, 3, 1)] * 5
    assert [job.version for job in after if job] == [3] * 5
    redis_client.delete(*redis_client.scan_iter(f"{with_worker.key_prefix}template:*"))
    await store.close()
    await other.close()


async def test_failed_computation_is_reported_without_internal_details(
    with_worker: JobSettings, redis_client: redis.Redis
) -> None:
    """A record whose start no valid request can have: its primes would exceed 2^53."""
    store = JobStore.connect(with_worker)
    job = (await store.submit_job(PrimesRequest(10, 2**53 - 1), ANYONE)).job
    failed = await wait_until_final(store, job)
    await store.close()
    assert failed.status is JobStatus.FAILED
    assert failed.failure is not None
    assert failed.failure.reason is FailureReason.INTERNAL
    assert failed.failure.message == "segment 0 could not be computed"
    assert redis_client.zscore(f"{with_worker.key_prefix}leases", f"{job.id}:0") is None


async def test_worker_sends_lost_messages_again(with_worker: JobSettings, redis_client: redis.Redis) -> None:
    """Claimed by a worker that died immediately, with an expired lease."""
    store = JobStore.connect(with_worker.model_copy(update={"key_prefix": with_worker.key_prefix}))
    job = (await store.submit_job(PrimesRequest(10, idempotency_key=uuid.uuid4().hex), ANYONE)).job
    recorder = JobRecorder.connect(with_worker)
    claim = recorder.claim_segment(job.id, 0)
    redis_client.zadd(f"{with_worker.key_prefix}leases", {f"{job.id}:0": 1}, xx=True)
    done = await wait_until_final(store, job)
    await store.close()
    assert done.status is JobStatus.SUCCEEDED
    assert claim is None or not recorder.complete_segment(claim, fake_result())


PROGRAM = """
import json, os, sys
from tasks.celery import app
reading, writing = app.connection_for_read(), app.connection_for_write()
print(json.dumps([
    reading.as_uri(include_password=True), writing.as_uri(include_password=True), type(app.loader).__name__,
    app.backend.as_uri(), sorted(name for name in os.environ if name.startswith("CELERY_")),
]))
"""


def test_variables_of_celery_do_not_override_the_settings() -> None:
    """Celery turns BROKER_URL and its own global options into some of these before it imports the application."""
    ours = {
        "REDIS_URL": "redis://store:7000/3",
        "CELERY_WORKER_CONCURRENCY": "2",
        "DJANGO_SETTINGS_MODULE": "nothing",
    }
    others = {
        "CELERY_BROKER_URL": "redis://other/5",
        "CELERY_BROKER_READ_URL": "amqp://user:secret@other",
        "CELERY_BROKER_WRITE_URL": "redis://other/6",
        "CELERY_RESULT_BACKEND": "redis://other/7",
        "CELERY_LOADER": "nothing",
        "CELERY_CONFIG_MODULE": "nothing",
        "CELERY_WORKER_QUEUES": "celery",
        "CELERY_WORKER_PREFETCH_MULTIPLIER": "100",
        "CELERY_CUSTOM_WORKER_POOL": "nothing:Pool",
    }
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env=os.environ | ours | others,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout) == [
        "redis://store:7000/3",
        "redis://store:7000/3",
        "AppLoader",
        "disabled://",
        ["CELERY_WORKER_CONCURRENCY"],
    ]
    lines = done.stderr.splitlines()
    assert {line.partition("=")[0] for line in lines} == {f"Ignored the variable {name}" for name in others}
    assert len(lines) == len(others)
    assert "secret" not in done.stderr
