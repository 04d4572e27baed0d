"""Transitions that workers make: claims, lease extensions, completions, failures; late writes are fenced."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from tasks.callers import ANYONE
from tasks.jobs import Failure, FailureReason, JobStatus, ResultState
from tasks.requests import PrimesRequest
from tasks.results import delta_codec
from tasks.storage.scripts import load_script
from tasks.storage.worker_scripts import Claim, ClaimSegment
from tasks.worker.job_recorder import JobRecorder
from tests.tasks.keys import compute_result, fake_result, grant_claim, reconcile
from tests.waiting import wait_until

if TYPE_CHECKING:
    import redis
    from redis.client import PubSub

    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tasks.settings import JobSettings
    from tests.tasks.keys import Keys


@pytest.fixture
async def job(store: JobStore) -> Job:
    return (await store.submit_job(PrimesRequest(10), ANYONE)).job


async def current(store: JobStore, job: Job) -> Job:
    [found] = await store.get_jobs([job.id], ANYONE)
    assert found is not None
    return found


async def test_claim_contains_what_the_computation_needs(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    job = (await store.submit_job(PrimesRequest(10, 100), ANYONE)).job
    claim = grant_claim(recorder, job)
    assert (claim.start, claim.length, claim.index, claim.token, claim.attempt) == (100, 10, 0, 1, 1)
    running = await current(store, job)
    assert (running.status, running.version, running.queue_position) == (JobStatus.RUNNING, 2, None)
    assert running.started_at is not None
    assert keys.sent_at_ms() == {}


def test_leased_segment_cannot_be_claimed_again(recorder: JobRecorder, settings: JobSettings, job: Job) -> None:
    grant_claim(recorder, job)
    assert recorder.claim_segment(job.id, 0) is None
    assert JobRecorder.connect(settings).claim_segment(job.id, 0) is None


def test_one_of_many_concurrent_claims_is_granted(settings: JobSettings, job: Job) -> None:
    recorders = [JobRecorder.connect(settings) for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        claims = list(pool.map(lambda recorder: recorder.claim_segment(job.id, 0), recorders))
    assert sum(claim is not None for claim in claims) == 1


def test_claim_repeated_after_a_lost_reply_gets_the_same_reply(
    redis_client: redis.Redis, settings: JobSettings, keys: Keys, job: Job
) -> None:
    """The client repeats a command when the connection breaks before the reply."""
    script = redis_client.register_script(load_script(ClaimSegment, settings))

    def claim(nonce: str) -> Claim | None:
        request = ClaimSegment(job=job.id, index=0, nonce=nonce, worker="", lease_ms=5000, time_limit_ms=60_000)
        return next(iter(request.parse(script(keys=[settings.key_prefix], args=request.encode())).claims), None)

    first, again, other = claim("a nonce"), claim("a nonce"), claim("another")
    assert first is not None
    assert first.waited_ms is not None
    # Only the first reply contains how long the job was queued.
    assert again == replace(first, waited_ms=None)
    assert other is None
    assert (keys.record(job.id)["leased"], keys.record(job.id)["version"]) == ("1", "2")


def test_unknown_job_and_completed_segment_cannot_be_claimed(recorder: JobRecorder, job: Job) -> None:
    assert recorder.claim_segment("01945b7e-1c2d-7abc-8def-0123456789ab", 0) is None
    recorder.complete_segment(grant_claim(recorder, job), fake_result())
    assert recorder.claim_segment(job.id, 0) is None


def test_record_of_a_newer_format_is_left_to_other_workers(recorder: JobRecorder, keys: Keys, job: Job) -> None:
    keys.client.hset(f"{keys.prefix}job:{job.id}", "format", "2")
    before = keys.record(job.id)
    assert recorder.claim_segment(job.id, 0) is None
    assert keys.record(job.id) == before
    assert list(keys.sent_at_ms()) == [f"{job.id}:0"]


async def test_expired_lease_can_be_claimed_and_its_former_worker_is_fenced(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    late = grant_claim(recorder, job)
    keys.expire_leases()
    other = grant_claim(recorder, job)
    assert (other.token, other.attempt) == (late.token + 1, 2)
    before = keys.record(job.id)
    assert not recorder.complete_segment(late, fake_result(5))
    assert not recorder.extend_lease(late)
    assert not recorder.fail_job(late, FailureReason.INTERNAL, "text")
    assert keys.record(job.id) == before
    assert recorder.complete_segment(other, fake_result(7))
    ended = keys.record(job.id)
    assert not recorder.complete_segment(late, fake_result(5))
    assert keys.record(job.id) == ended
    found = await current(store, job)
    assert (found.status, found.last, found.attempt) == (JobStatus.SUCCEEDED, 7, 2)
    assert await store.get_encoded_result(job.id) == fake_result(7).deltas


def test_expired_lease_is_still_valid_until_another_worker_claims(recorder: JobRecorder, keys: Keys, job: Job) -> None:
    """A worker that was only slow keeps its segment as long as no other attempt has started."""
    claim = grant_claim(recorder, job)
    keys.expire_leases()
    assert recorder.extend_lease(claim)
    assert reconcile(recorder) == (0, 0)
    assert recorder.complete_segment(claim, fake_result())


def test_extending_moves_the_expiry_of_the_lease(
    recorder: JobRecorder, keys: Keys, settings: JobSettings, job: Job
) -> None:
    claim = grant_claim(recorder, job)
    keys.client.zadd(f"{keys.prefix}leases", {f"{job.id}:0": keys.now_ms() + 1})
    before = keys.now_ms()
    assert recorder.extend_lease(claim)
    lease_ms = settings.lease_seconds * 1000
    assert before + lease_ms <= keys.leases()[f"{job.id}:0"] <= keys.now_ms() + lease_ms


def test_lease_that_is_not_extended_expires(settings: JobSettings, job: Job) -> None:
    recorder = JobRecorder.connect(settings.model_copy(update={"lease_seconds": 0.2}))
    claim = grant_claim(recorder, job)
    wait_until(lambda: reconcile(recorder) == (1, 1))
    assert not recorder.extend_lease(claim)


async def test_lost_attempt_returns_the_job_to_the_queue(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    grant_claim(recorder, job)
    started_at = (await current(store, job)).started_at
    keys.expire_leases()
    assert reconcile(recorder) == (1, 1)
    lost = await current(store, job)
    assert (lost.status, lost.version, lost.attempt, lost.queue_position) == (JobStatus.QUEUED, 3, 2, 0)
    grant_claim(recorder, job)
    again = await current(store, job)
    assert (again.status, again.version, again.started_at) == (JobStatus.RUNNING, 4, started_at)


@pytest.mark.parametrize("detected_by", ["reconciler", "another message"])
async def test_losing_the_last_attempt_fails_the_job(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job, detected_by: str
) -> None:
    for attempt in (1, 2, 3):
        assert grant_claim(recorder, job).attempt == attempt
        keys.expire_leases()
        if attempt < 3 or detected_by == "reconciler":
            reconcile(recorder)
    assert recorder.claim_segment(job.id, 0) is None
    failed = await current(store, job)
    assert failed.status is JobStatus.FAILED
    assert failed.failure == Failure(FailureReason.WORKER_LOST, "segment 0 lost its worker in 3 of 3 attempts")
    assert (failed.attempt, failed.finished_at is not None) == (3, True)
    assert keys.leases() == keys.sent_at_ms() == {}


async def test_segment_that_cannot_be_computed_fails_the_job(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    claim = grant_claim(recorder, job)
    assert recorder.fail_job(claim, FailureReason.INTERNAL, "segment 0 could not be computed")
    failed = await current(store, job)
    assert (failed.status, failed.version) == (JobStatus.FAILED, 3)
    assert failed.failure == Failure(FailureReason.INTERNAL, "segment 0 could not be computed")
    assert keys.leases() == {}
    assert not recorder.complete_segment(claim, fake_result())
    assert not recorder.fail_job(claim, FailureReason.TIMEOUT, "again")


async def test_completion_stores_the_result_and_its_summary(
    store: JobStore, recorder: JobRecorder, keys: Keys, settings: JobSettings, job: Job
) -> None:
    claim = grant_claim(recorder, job)
    assert recorder.complete_segment(claim, compute_result(claim))
    done = await current(store, job)
    primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]
    digest = hashlib.sha256(b"".join(prime.to_bytes(8, "little") for prime in primes)).digest()
    assert (done.status, done.version, done.done, done.available) == (JobStatus.SUCCEEDED, 3, 10, 10)
    assert (done.first, done.last, done.sha256, done.result_state) == (
        2,
        29,
        hashlib.sha256(digest).hexdigest(),
        ResultState.COMPLETE,
    )
    encoded = await store.get_encoded_result(job.id)
    assert encoded is not None
    assert delta_codec.decode(encoded).tolist() == primes
    ttl = timedelta(seconds=settings.result_ttl_seconds)
    assert done.finished_at is not None
    assert done.result_expires_at == done.finished_at + ttl
    remaining = keys.ttl_ms(f"job:{job.id}:result")
    assert ttl / timedelta(milliseconds=1) - 10_000 < remaining <= ttl / timedelta(milliseconds=1)


async def test_largest_prime_is_stored_without_loss_of_digits(store: JobStore, recorder: JobRecorder) -> None:
    job = (await store.submit_job(PrimesRequest(1, 9007199254740881), ANYONE)).job
    claim = grant_claim(recorder, job)
    recorder.complete_segment(claim, compute_result(claim))
    done = await current(store, job)
    assert (done.first, done.last) == (9007199254740881, 9007199254740881)


async def test_each_version_after_the_first_is_published_exactly_once_and_in_order(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    with keys.client.pubsub() as events:  # type: ignore[no-untyped-call]
        events.subscribe(f"{keys.prefix}events")
        assert events.get_message(timeout=5) is not None
        job = (await store.submit_job(PrimesRequest(10), ANYONE)).job
        grant_claim(recorder, job)
        assert recorder.claim_segment(job.id, 0) is None
        keys.expire_leases()
        reconcile(recorder)
        claim = grant_claim(recorder, job)
        recorder.extend_lease(claim)
        recorder.complete_segment(claim, fake_result())
        recorder.complete_segment(claim, fake_result())
        assert [event.rpartition(" ")[0] for event in received(events)] == [f"{job.id} {n}" for n in (2, 3, 4, 5)]
    assert (await current(store, job)).version == 5


def test_short_outage_of_the_store_is_retried(settings: JobSettings, job: Job, keys: Keys) -> None:
    """The connection of a worker breaks while it computes, as when the store restarts."""
    recorder = JobRecorder.connect(settings)
    claim = grant_claim(recorder, job)
    keys.client.client_kill_filter(_type="normal", skipme=True)
    assert recorder.complete_segment(claim, fake_result())


def received(events: PubSub) -> list[str]:
    found = []
    while (event := events.get_message(timeout=0.2)) is not None:
        found.append(event["data"].decode())
    return found
