"""Creating, cancelling and reading jobs. Pages and outages are tested in their own files."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import redis

from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.errors import IdempotencyConflict, JobAlreadyFinished, JobNotFound, JobNotRetryable, QueueFull
from tasks.jobs import FailureReason, JobStatus, QueueStats
from tasks.requests import JobPageRequest, PrimesRequest
from tests.tasks.keys import compute_result, grant_claim
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.jobs import Job
    from tasks.settings import JobSettings
    from tasks.worker.job_recorder import JobRecorder
    from tests.programs import Valkey
    from tests.tasks.keys import Keys

UNKNOWN = "01945b7e-1c2d-7abc-8def-0123456789ab"
# Malformed or very long ids, and ids that would form other keys.
MALFORMED_IDS = ("", "x", "*", "\0", UNKNOWN.upper(), UNKNOWN + "\n", UNKNOWN + ":segments", "é" * 36, "0" * 10_000)


@pytest.fixture
async def small_store(settings: JobSettings) -> AsyncIterator[JobStore]:
    """A store with a capacity of five jobs."""
    store = JobStore.connect(settings.model_copy(update={"queue_capacity": 5}))
    yield store
    await store.close()


async def submit_job(store: JobStore, count: int = 10) -> Job:
    return (await store.submit_job(PrimesRequest(count), ANYONE)).job


async def read_job(store: JobStore, job: Job) -> Job:
    [found] = await store.get_jobs([job.id], ANYONE)
    assert found is not None
    return found


async def test_new_job_is_queued_with_its_arguments(store: JobStore) -> None:
    accepted = await store.submit_job(PrimesRequest(10, 100, "key"), ANYONE, "a trace")
    job = accepted.job
    assert not accepted.replayed
    assert (job.status, job.version, job.count, job.start) == (JobStatus.QUEUED, 1, 10, 100)
    assert (job.idempotency_key, job.traceparent, job.attempt, job.max_attempts) == ("key", "a trace", 1, 3)
    assert (job.queue_position, job.done, job.available, job.started_at, job.finished_at) == (0, 0, 0, None, None)
    assert asdict(await read_job(store, job)) | {"read_at": job.read_at} == asdict(job)


async def test_queue_position_counts_earlier_jobs(store: JobStore) -> None:
    jobs = [await submit_job(store) for _ in range(3)]
    assert [(await read_job(store, job)).queue_position for job in sorted(jobs, key=lambda job: job.id)] == [0, 1, 2]


async def test_settings_are_stored_with_the_job(settings: JobSettings, keys: Keys) -> None:
    store = JobStore.connect(settings.model_copy(update={"max_attempts": 7, "job_ttl_seconds": 90_000}))
    job = await submit_job(store)
    await store.close()
    assert job.max_attempts == 7
    assert 89_000_000 < keys.ttl_ms(f"job:{job.id}") <= 90_000_000


async def test_submission_is_a_single_command(store: JobStore, valkey: Valkey, prefix: str) -> None:
    await submit_job(store)  # opens the connection and loads the script
    with redis.Redis.from_url(valkey.url, socket_timeout=10) as client, client.monitor() as monitor:
        await store.submit_job(PrimesRequest(10, idempotency_key="first"), ANYONE)
        await store.submit_job(PrimesRequest(10, idempotency_key="second"), ANYONE)
        commands: list[tuple[str, str]] = []
        while not any(prefix in command and "second" in command for _, command in commands):
            found = monitor.next_command()
            if found["client_type"] != "lua":
                commands.append((found["client_port"], found["command"]))
    ours = [command.split(" ")[0].upper() for port, command in commands if port == commands[-1][0]]
    assert ours == ["EVALSHA", "EVALSHA"]


async def test_changes_of_a_job_publish_events_but_not_its_submission(store: JobStore, keys: Keys) -> None:
    """Nothing can have subscribed to an id that did not exist."""
    with keys.client.pubsub() as events:  # type: ignore[no-untyped-call]
        events.subscribe(f"{keys.prefix}events")
        assert events.get_message(timeout=5) is not None
        job = await submit_job(store)
        cancelled = await store.cancel_job(job.id, ANYONE)
        event = events.get_message(timeout=5)
    assert cancelled.finished_at is not None
    assert event is not None
    assert event["data"].decode() == f"{job.id} 2 {cancelled.finished_at.timestamp() * 1000:.0f}"


async def test_submission_writes_record_message_and_expiry(store: JobStore, keys: Keys, settings: JobSettings) -> None:
    job = await submit_job(store)
    assert keys.record(job.id)["status"] == "QUEUED"
    assert keys.queued_segments() == [f"{job.id}:0"]
    assert set(keys.sent_at_ms()) == {f"{job.id}:0"}
    ttl = settings.job_ttl_seconds * 1000
    for key in (f"job:{job.id}", f"job:{job.id}:segments"):
        assert ttl - 10_000 < keys.ttl_ms(key) <= ttl
    for shared_key in ("jobs:QUEUED", "expiry", "sent:small", "small"):
        assert 2 * ttl - 10_000 < keys.ttl_ms(shared_key) <= 2 * ttl


async def test_job_ids_are_ordered_uuid7_from_the_server_clock(store: JobStore, keys: Keys) -> None:
    before = keys.now_ms()
    jobs = [await submit_job(store) for _ in range(20)]
    after = keys.now_ms()
    stamps = [uuid.UUID(job.id).int >> 80 for job in jobs]
    assert stamps == sorted(stamps)
    assert before <= stamps[0] <= stamps[-1] <= after
    assert [round(job.created_at.timestamp() * 1000) for job in jobs] == stamps
    assert {uuid.UUID(job.id).version for job in jobs} == {7}


async def test_same_idempotency_key_and_arguments_return_the_job_in_any_status(
    store: JobStore, recorder: JobRecorder
) -> None:
    request = PrimesRequest(10, idempotency_key="key")
    job = (await store.submit_job(request, ANYONE)).job
    assert (await store.submit_job(request, ANYONE)).job.id == job.id
    claim = grant_claim(recorder, job)
    running = await store.submit_job(request, ANYONE)
    assert (running.job.id, running.replayed, running.job.status) == (job.id, True, JobStatus.RUNNING)
    assert recorder.complete_segment(claim, compute_result(claim))
    ended = await store.submit_job(request, ANYONE)
    assert (ended.job.id, ended.replayed, ended.job.status) == (job.id, True, JobStatus.SUCCEEDED)


async def test_same_idempotency_key_with_other_arguments_is_a_conflict(store: JobStore) -> None:
    job = (await store.submit_job(PrimesRequest(10, 2, "key"), ANYONE)).job
    for request in (PrimesRequest(11, 2, "key"), PrimesRequest(10, 3, "key")):
        with pytest.raises(IdempotencyConflict, match="already used with count 10 and start 2") as refused:
            await store.submit_job(request, ANYONE)
        assert refused.value.existing.id == job.id


async def test_idempotency_key_expires_after_its_ttl(settings: JobSettings, keys: Keys) -> None:
    store = JobStore.connect(settings.model_copy(update={"idempotency_ttl_seconds": 500}))
    job = (await store.submit_job(PrimesRequest(10, idempotency_key="key"), ANYONE)).job
    assert 490_000 < keys.ttl_ms("idempotency:key") <= 500_000
    keys.client.delete(f"{keys.prefix}idempotency:key")  # as if it had expired
    again = await store.submit_job(PrimesRequest(11, idempotency_key="key"), ANYONE)
    await store.close()
    assert not again.replayed
    assert again.job.id != job.id


async def test_idempotency_key_of_an_expired_job_can_be_reused(store: JobStore, keys: Keys) -> None:
    job = (await store.submit_job(PrimesRequest(10, idempotency_key="key"), ANYONE)).job
    keys.client.delete(f"{keys.prefix}job:{job.id}")
    assert not (await store.submit_job(PrimesRequest(11, idempotency_key="key"), ANYONE)).replayed


async def test_concurrent_submissions_with_one_idempotency_key_create_one_job(store: JobStore, keys: Keys) -> None:
    request = PrimesRequest(10, idempotency_key="key")
    accepted = await asyncio.gather(*(store.submit_job(request, ANYONE) for _ in range(50)))
    assert len({one.job.id for one in accepted}) == 1
    assert [one.replayed for one in accepted].count(False) == 1
    assert len(keys.queued_segments()) == 1


async def test_full_queue_is_reported_with_queue_statistics(small_store: JobStore, recorder: JobRecorder) -> None:
    jobs = [await submit_job(small_store) for _ in range(5)]
    grant_claim(recorder, jobs[0])
    with pytest.raises(QueueFull, match="the queue is full: 5 of 5 jobs are open") as refused:
        await submit_job(small_store)
    queue = refused.value.queue
    assert (queue.queued, queue.running, queue.capacity) == (4, 1, 5)
    assert queue.oldest_queued_for is not None
    assert refused.value.retry_after == timedelta(seconds=1)


async def test_capacity_is_exact_for_concurrent_submissions(small_store: JobStore, keys: Keys) -> None:
    answers = await asyncio.gather(*(submit_job(small_store) for _ in range(40)), return_exceptions=True)
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 35
    assert len(keys.job_ids_with_status(JobStatus.QUEUED)) == 5
    assert len(keys.queued_segments()) == 5


async def test_full_queue_still_replays_known_idempotency_keys(small_store: JobStore) -> None:
    request = PrimesRequest(10, idempotency_key="key")
    job = (await small_store.submit_job(request, ANYONE)).job
    for _ in range(4):
        await submit_job(small_store)
    assert (await small_store.submit_job(request, ANYONE)).job.id == job.id


async def test_finished_job_frees_capacity(small_store: JobStore, recorder: JobRecorder) -> None:
    jobs = [await submit_job(small_store) for _ in range(5)]
    claim = grant_claim(recorder, jobs[0])
    recorder.complete_segment(claim, compute_result(claim))
    await submit_job(small_store)
    with pytest.raises(QueueFull):
        await submit_job(small_store)
    await small_store.cancel_job(jobs[1].id, ANYONE)
    await submit_job(small_store)


async def test_refused_submission_leaves_no_keys(small_store: JobStore, keys: Keys) -> None:
    for _ in range(5):
        await submit_job(small_store)
    before = set(keys.client.scan_iter(f"{keys.prefix}*"))
    with pytest.raises(QueueFull):
        await small_store.submit_job(PrimesRequest(10, idempotency_key="key"), ANYONE)
    assert set(keys.client.scan_iter(f"{keys.prefix}*")) == before


@pytest.mark.parametrize("job_id", MALFORMED_IDS)
async def test_malformed_job_id_is_not_found(store: JobStore, job_id: str) -> None:
    assert await store.get_jobs([job_id], ANYONE) == [None]
    for refused in (store.cancel_job(job_id, ANYONE), store.retry_job(job_id, ANYONE)):
        with pytest.raises(JobNotFound) as error:
            await refused
        assert len(str(error.value)) < 400


async def test_jobs_are_returned_in_order_with_none_for_unknown_ids(store: JobStore) -> None:
    one, other = await submit_job(store), await submit_job(store)
    found = await store.get_jobs([other.id, UNKNOWN, "x", one.id, other.id], ANYONE)
    assert [job and job.id for job in found] == [other.id, None, None, one.id, other.id]
    assert await store.get_jobs([], ANYONE) == []


async def test_cancelling_a_queued_job_removes_its_message(store: JobStore, keys: Keys) -> None:
    other, job = await submit_job(store), await submit_job(store)
    cancelled = await store.cancel_job(job.id, ANYONE)
    assert (cancelled.status, cancelled.version, cancelled.queue_position) == (JobStatus.CANCELLED, 2, None)
    assert cancelled.finished_at is not None
    assert keys.queued_segments() == [f"{other.id}:0"]
    assert set(keys.sent_at_ms()) == {f"{other.id}:0"}


async def test_cancelling_removes_a_message_with_trace_context(store: JobStore, keys: Keys) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    job = (await store.submit_job(PrimesRequest(10), ANYONE, trace)).job
    await store.cancel_job(job.id, ANYONE)
    assert keys.queued_segments() == []


async def test_worker_writes_after_cancellation_are_refused(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    job = await submit_job(store)
    claim = grant_claim(recorder, job)
    cancelled = await store.cancel_job(job.id, ANYONE)
    assert not recorder.complete_segment(claim, compute_result(claim))
    assert not recorder.extend_lease(claim)
    assert not recorder.fail_job(claim, FailureReason.INTERNAL, "text")
    found = await read_job(store, job)
    assert (found.status, found.version, found.done) == (JobStatus.CANCELLED, cancelled.version, 0)
    assert await store.get_encoded_result(job.id) is None
    assert keys.leases() == {}


async def test_final_job_cannot_be_cancelled(store: JobStore, recorder: JobRecorder) -> None:
    job = await submit_job(store)
    claim = grant_claim(recorder, job)
    recorder.complete_segment(claim, compute_result(claim))
    with pytest.raises(JobAlreadyFinished, match=f"job {job.id} is already SUCCEEDED") as refused:
        await store.cancel_job(job.id, ANYONE)
    assert refused.value.job.version == (await read_job(store, job)).version == 3


async def test_unknown_job_can_be_neither_cancelled_nor_retried(store: JobStore) -> None:
    for refused in (store.cancel_job(UNKNOWN, ANYONE), store.retry_job(UNKNOWN, ANYONE)):
        with pytest.raises(JobNotFound, match=UNKNOWN):
            await refused


async def test_retry_creates_a_new_job_with_the_same_arguments(store: JobStore, keys: Keys) -> None:
    job = (await store.submit_job(PrimesRequest(20_000, 77, "key"), ANYONE)).job
    await store.cancel_job(job.id, ANYONE)
    again = await store.retry_job(job.id, ANYONE, "a trace")
    new = again.job
    assert new.id != job.id
    assert (new.status, new.count, new.start, new.retry_of) == (JobStatus.QUEUED, 20_000, 77, job.id)
    assert (new.idempotency_key, new.traceparent, again.replayed) == (None, "a trace", False)
    assert keys.queued_segments("large") == [f"{new.id}:0"]


async def test_only_failed_or_cancelled_jobs_can_be_retried(store: JobStore, recorder: JobRecorder) -> None:
    job = await submit_job(store)
    reason = f"job {job.id} is QUEUED: only FAILED or CANCELLED jobs can be retried"
    with pytest.raises(JobNotRetryable, match=reason):
        await store.retry_job(job.id, ANYONE)
    claim = grant_claim(recorder, job)
    with pytest.raises(JobNotRetryable, match="is RUNNING"):
        await store.retry_job(job.id, ANYONE)
    recorder.complete_segment(claim, compute_result(claim))
    with pytest.raises(JobNotRetryable, match="is SUCCEEDED"):
        await store.retry_job(job.id, ANYONE)


async def test_retry_counts_against_the_capacity(small_store: JobStore) -> None:
    job = await submit_job(small_store)
    await small_store.cancel_job(job.id, ANYONE)
    for _ in range(5):
        await submit_job(small_store)
    with pytest.raises(QueueFull):
        await small_store.retry_job(job.id, ANYONE)


async def test_expired_jobs_are_removed_from_every_index(settings: JobSettings, keys: Keys) -> None:
    short_lived = settings.model_copy(
        update={"job_ttl_seconds": 1, "result_ttl_seconds": 1, "idempotency_ttl_seconds": 1, "queue_capacity": 1}
    )
    store, lasting = JobStore.connect(short_lived), JobStore.connect(settings)
    job = await submit_job(store)
    other = await submit_job(lasting)

    async def expired() -> bool:
        return await store.get_jobs([job.id], ANYONE) == [None]

    await eventually(expired)
    page = await lasting.list_jobs(JobPageRequest(10), ANYONE)
    assert ([found.id for found in page.jobs], page.total) == ([other.id], 1)
    assert set(keys.statuses_by_job()) == {other.id}
    await lasting.cancel_job(other.id, ANYONE)
    # Nor do they count against the capacity.
    await submit_job(store)
    await store.close()
    await lasting.close()


async def test_system_state_reports_queue_and_workers(store: JobStore, recorder: JobRecorder) -> None:
    empty = await store.get_system_state()
    assert empty.queue == QueueStats(0, 0, 10_000)
    assert empty.workers == ()
    done, _ = await submit_job(store), await submit_job(store)
    claim = grant_claim(recorder, done)
    recorder.heartbeat("a@host", 3)
    state = await store.get_system_state()
    assert (state.queue.queued, state.queue.running) == (1, 1)
    assert [(worker.name, worker.concurrency) for worker in state.workers] == [("a@host", 3)]
    assert abs(state.at - state.workers[0].last_heartbeat_at) < timedelta(seconds=5)
    recorder.complete_segment(claim, compute_result(claim))
    assert (await store.get_system_state()).queue.estimated_wait is not None


async def test_worker_without_heartbeat_is_removed(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    recorder.heartbeat("old@host", 3)
    keys.client.zadd(f"{keys.prefix}workers", {"old@host 3": keys.now_ms() - 16_000})
    recorder.heartbeat("new@host", 3)
    assert [worker.name for worker in (await store.get_system_state()).workers] == ["new@host"]
