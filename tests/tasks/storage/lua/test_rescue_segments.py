"""Lost segments are sent again: soon, once, and never while their message may still be queued."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tasks.callers import ANYONE
from tasks.jobs import SEGMENT_PRIMES, Failure, FailureReason, JobStatus
from tasks.requests import PrimesRequest
from tasks.worker.job_recorder import JobRecorder
from tests.tasks.keys import fake_result, grant_claim, reconcile

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tasks.settings import JobSettings
    from tests.tasks.keys import Keys

GRACE_MS = 2000


async def submitted(store: JobStore) -> Job:
    return (await store.submit_job(PrimesRequest(10), ANYONE)).job


async def test_lost_message_is_sent_again_after_its_grace_period(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    job = await submitted(store)
    keys.drop_messages()
    assert reconcile(recorder) == (0, 0)
    keys.age_sent_messages(GRACE_MS)
    assert reconcile(recorder) == (0, 1)
    assert keys.queued_segments() == [f"{job.id}:0"]
    assert keys.client.hget(f"{keys.prefix}counters", "resent") == b"1"
    recorder.complete_segment(grant_claim(recorder, job), fake_result())


async def test_nothing_is_sent_again_while_the_queue_has_messages(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    jobs = [await submitted(store) for _ in range(2)]
    keys.age_sent_messages(1_000_000)
    assert reconcile(recorder) == (0, 0)
    keys.client.rpop(f"{keys.prefix}small")
    assert reconcile(recorder) == (0, 0)
    assert keys.queued_segments() == [f"{jobs[1].id}:0"]


async def test_messages_in_another_queue_do_not_matter(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    await submitted(store)
    await store.submit_job(PrimesRequest(20_000), ANYONE)
    keys.drop_messages("small")
    keys.age_sent_messages(GRACE_MS, "small")
    assert reconcile(recorder) == (0, 1)
    assert (len(keys.queued_segments("small")), len(keys.queued_segments("large"))) == (1, 1)


async def test_grace_period_doubles_with_each_send_up_to_a_limit(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    job = await submitted(store)
    for grace in (1, 1, 2, 4, 8, 16, 32, 64, 64, 64):
        keys.drop_messages()
        [sent] = keys.sent_at_ms().values()
        due = sent + GRACE_MS - keys.now_ms()
        assert abs(due - grace * GRACE_MS) < 1000
        keys.age_sent_messages(int(due) - 1000)
        assert reconcile(recorder) == (0, 0)
        keys.age_sent_messages(1000)
        assert reconcile(recorder) == (0, 1)
    assert keys.segments(job.id)[0]["sends"] == 11


async def test_segment_of_a_lost_worker_is_sent_again_at_once(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    job = await submitted(store)
    keys.drop_messages()
    grant_claim(recorder, job)
    assert reconcile(recorder) == (0, 0)
    keys.expire_leases()
    assert reconcile(recorder) == (1, 1)
    assert reconcile(recorder) == (0, 0)
    assert keys.queued_segments() == [f"{job.id}:0"]


async def test_cancelling_removes_a_message_that_was_sent_again(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    job = await submitted(store)
    keys.drop_messages()
    keys.age_sent_messages(GRACE_MS)
    assert reconcile(recorder) == (0, 1)
    await store.cancel_job(job.id, ANYONE)
    assert keys.queued_segments() == []
    assert keys.sent_at_ms() == {}


async def test_concurrent_reconcilers_send_each_segment_once(
    store: JobStore, settings: JobSettings, keys: Keys
) -> None:
    jobs = [await submitted(store) for _ in range(30)]
    lost = [grant_claim(JobRecorder.connect(settings), job) for job in jobs[:10]]
    keys.expire_leases()
    keys.drop_messages()
    keys.age_sent_messages(GRACE_MS)
    recorders = [JobRecorder.connect(settings) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(reconcile, recorders))
    assert sum(expired for expired, _ in runs) == len(lost)
    waiting = keys.queued_segments()
    assert len(waiting) == len(set(waiting)) == sum(resent for _, resent in runs)


async def test_one_run_sends_at_most_a_hundred_segments(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    jobs = [await submitted(store) for _ in range(130)]
    for job in jobs:
        grant_claim(recorder, job)
    keys.drop_messages()
    keys.expire_leases()
    assert reconcile(recorder) == (100, 100)
    assert reconcile(recorder) == (30, 30)
    assert reconcile(recorder) == (0, 0)
    assert sorted(keys.queued_segments()) == sorted(f"{job.id}:0" for job in jobs)


async def test_segments_of_an_expired_job_are_not_sent_again(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    running, waiting = await submitted(store), await submitted(store)
    grant_claim(recorder, running)
    keys.client.delete(f"{keys.prefix}job:{running.id}", f"{keys.prefix}job:{waiting.id}", f"{keys.prefix}small")
    keys.expire_leases()
    keys.age_sent_messages(GRACE_MS)
    assert reconcile(recorder) == (1, 0)
    assert keys.leases() == keys.sent_at_ms() == {}
    assert not keys.client.exists(f"{keys.prefix}job:{running.id}")


async def test_final_jobs_are_not_changed(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    jobs = [await submitted(store) for _ in range(2)]
    recorder.complete_segment(grant_claim(recorder, jobs[0]), fake_result())
    await store.cancel_job(jobs[1].id, ANYONE)
    keys.drop_messages()
    assert reconcile(recorder) == (0, 0)
    assert {
        job_id for status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED) for job_id in keys.job_ids_with_status(status)
    } == {job.id for job in jobs}


async def test_other_segments_of_a_failed_job_are_not_sent_again(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    """One run finds two expired segments of a job. The first was in its last attempt, which ends the job and both."""
    job = (await store.submit_job(PrimesRequest(3 * SEGMENT_PRIMES), ANYONE)).job
    for _ in range(2):
        grant_claim(recorder, job)
        keys.expire_leases()
        assert reconcile(recorder) == (1, 1)
    grant_claim(recorder, job)
    grant_claim(recorder, job, 1)
    keys.drop_messages("large")
    keys.expire_leases()
    [ended] = recorder.reconcile().ended_jobs
    assert (ended.status, ended.failure and ended.failure.reason) == (JobStatus.FAILED, FailureReason.WORKER_LOST)
    [now] = await store.get_jobs([job.id], ANYONE)
    assert now is not None
    assert (now.version, now.status) == (ended.version, JobStatus.FAILED)
    assert (keys.queued_segments("large"), keys.sent_at_ms("large"), keys.leases()) == ([], {}, {})
    assert reconcile(recorder) == (0, 0)


async def test_job_that_exceeds_its_time_limit_fails_and_its_worker_is_fenced(
    store: JobStore, recorder: JobRecorder, keys: Keys, settings: JobSettings
) -> None:
    job, other = await submitted(store), await submitted(store)
    claim, other_claim = grant_claim(recorder, job), grant_claim(recorder, other)
    assert recorder.reconcile().ended_jobs == ()
    assert abs(keys.deadline(job.id) - keys.now_ms() - settings.job_time_limit_seconds * 1000) < 10_000
    keys.expire_deadline(job.id)
    [ended] = recorder.reconcile().ended_jobs
    assert (ended.id, ended.status) == (job.id, JobStatus.FAILED)
    assert ended.failure == Failure(FailureReason.TIMEOUT, "job exceeded its time limit of 3600 s")
    assert not recorder.complete_segment(claim, fake_result())
    assert recorder.complete_segment(other_claim, fake_result())
    assert (keys.leases(), keys.deadlines()) == ({}, {})


async def test_time_limit_that_passes_between_attempts_fails_the_job_when_it_runs(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    """QUEUED cannot become FAILED, so the limit is checked again every second."""
    job = await submitted(store)
    grant_claim(recorder, job)
    keys.expire_leases()
    assert reconcile(recorder) == (1, 1)
    keys.expire_deadline(job.id)
    assert recorder.reconcile().ended_jobs == ()
    assert 0 < keys.deadline(job.id) - keys.now_ms() <= 1000
    grant_claim(recorder, job)
    keys.expire_deadline(job.id)
    assert [ended.status for ended in recorder.reconcile().ended_jobs] == [JobStatus.FAILED]


async def test_times_that_a_clock_set_back_left_in_the_future_are_limited(
    store: JobStore, recorder: JobRecorder, keys: Keys, settings: JobSettings
) -> None:
    leased, queued = await submitted(store), await submitted(store)
    grant_claim(recorder, leased)
    future = keys.now_ms() + 10**9
    for key, member in (("leases", f"{leased.id}:0"), ("deadlines", leased.id), ("sent:small", f"{queued.id}:0")):
        keys.client.zadd(f"{keys.prefix}{key}", {member: future})
    assert reconcile(recorder) == (0, 0)
    now = keys.now_ms()
    assert keys.leases()[f"{leased.id}:0"] <= now + 600_000
    assert keys.deadline(leased.id) <= now + settings.job_time_limit_seconds * 1000
    assert keys.sent_at_ms()[f"{queued.id}:0"] <= now + 63 * 2_000


async def test_messages_that_a_worker_put_back_get_a_time_to_live(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    await submitted(store)
    keys.client.persist(f"{keys.prefix}small")
    reconcile(recorder)
    assert keys.ttl_ms("small") > 0
