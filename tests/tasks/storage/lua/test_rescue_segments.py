"""What was lost is sent again: soon, once, and never while it may still be on its way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tasks.jobs import SEGMENT_PRIMES, Failure, FailureReason, JobStatus
from tasks.requests import PrimesRequest
from tasks.worker.job_recorder import CompletionOutcome, JobRecorder
from tests.tasks.keys import claimed, made_up, reconciled

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tasks.settings import JobSettings
    from tests.tasks.keys import Keys

GRACE_MS = 2000


async def submitted(store: JobStore) -> Job:
    return (await store.submit(PrimesRequest(10))).job


async def test_a_lost_message_is_sent_again_once_its_grace_is_over(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    job = await submitted(store)
    keys.lose_messages()
    assert reconciled(recorder) == (0, 0)
    keys.let_pass_since_sending(GRACE_MS)
    assert reconciled(recorder) == (0, 1)
    assert keys.waiting() == [f"{job.id}:0"]
    assert keys.client.hget(f"{keys.prefix}counters", "resent") == b"1"
    recorder.complete_segment(claimed(recorder, job), made_up())


async def test_a_message_waits_its_turn_while_its_queue_has_any(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    jobs = [await submitted(store) for _ in range(2)]
    keys.let_pass_since_sending(1_000_000)
    assert reconciled(recorder) == (0, 0)
    keys.client.rpop(f"{keys.prefix}small")
    assert reconciled(recorder) == (0, 0)
    assert keys.waiting() == [f"{jobs[1].id}:0"]


async def test_messages_in_another_queue_hold_nothing_up(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    await submitted(store)
    await store.submit(PrimesRequest(20_000))
    keys.lose_messages("small")
    keys.let_pass_since_sending(GRACE_MS, "small")
    assert reconciled(recorder) == (0, 1)
    assert (len(keys.waiting("small")), len(keys.waiting("large"))) == (1, 1)


async def test_the_grace_doubles_with_each_sending_up_to_a_limit(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    job = await submitted(store)
    for grace in (1, 1, 2, 4, 8, 16, 32, 64, 64, 64):
        keys.lose_messages()
        [sent] = keys.sent().values()
        due = sent + GRACE_MS - keys.now_ms()
        assert abs(due - grace * GRACE_MS) < 1000
        keys.let_pass_since_sending(int(due) - 1000)
        assert reconciled(recorder) == (0, 0)
        keys.let_pass_since_sending(1000)
        assert reconciled(recorder) == (0, 1)
    assert keys.segments(job.id)[0]["sends"] == 11


async def test_what_a_lost_worker_had_is_sent_at_once(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    job = await submitted(store)
    keys.lose_messages()
    claimed(recorder, job)
    assert reconciled(recorder) == (0, 0)
    keys.let_leases_run_out()
    assert reconciled(recorder) == (1, 1)
    assert reconciled(recorder) == (0, 0)
    assert keys.waiting() == [f"{job.id}:0"]


async def test_a_message_sent_again_can_be_taken_back(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    job = await submitted(store)
    keys.lose_messages()
    keys.let_pass_since_sending(GRACE_MS)
    assert reconciled(recorder) == (0, 1)
    await store.cancel(job.id)
    assert keys.waiting() == []
    assert keys.sent() == {}


async def test_many_reconcilers_at_once_send_once(store: JobStore, settings: JobSettings, keys: Keys) -> None:
    jobs = [await submitted(store) for _ in range(30)]
    lost = [claimed(JobRecorder.connect(settings), job) for job in jobs[:10]]
    keys.let_leases_run_out()
    keys.lose_messages()
    keys.let_pass_since_sending(GRACE_MS)
    recorders = [JobRecorder.connect(settings) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        looks = list(pool.map(reconciled, recorders))
    assert sum(expired for expired, _ in looks) == len(lost)
    waiting = keys.waiting()
    assert len(waiting) == len(set(waiting)) == sum(resent for _, resent in looks)


async def test_one_look_sends_a_hundred_at_most(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    jobs = [await submitted(store) for _ in range(130)]
    for job in jobs:
        claimed(recorder, job)
    keys.lose_messages()
    keys.let_leases_run_out()
    assert reconciled(recorder) == (100, 100)
    assert reconciled(recorder) == (30, 30)
    assert reconciled(recorder) == (0, 0)
    assert sorted(keys.waiting()) == sorted(f"{job.id}:0" for job in jobs)


async def test_a_job_that_has_expired_is_not_sent_again(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    running, waiting = await submitted(store), await submitted(store)
    claimed(recorder, running)
    keys.client.delete(f"{keys.prefix}job:{running.id}", f"{keys.prefix}job:{waiting.id}", f"{keys.prefix}small")
    keys.let_leases_run_out()
    keys.let_pass_since_sending(GRACE_MS)
    assert reconciled(recorder) == (1, 0)
    assert keys.leases() == keys.sent() == {}
    assert not keys.client.exists(f"{keys.prefix}job:{running.id}")


async def test_final_jobs_are_left_alone(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    jobs = [await submitted(store) for _ in range(2)]
    recorder.complete_segment(claimed(recorder, jobs[0]), made_up())
    await store.cancel(jobs[1].id)
    keys.lose_messages()
    assert reconciled(recorder) == (0, 0)
    assert {job_id for status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED) for job_id in keys.with_status(status)} == {
        job.id for job in jobs
    }


async def test_what_a_failed_job_had_elsewhere_is_left_alone(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    """One look finds two segments of a job, the first on its last attempt: the end of the job is the end of both."""
    job = (await store.submit(PrimesRequest(3 * SEGMENT_PRIMES))).job
    for _ in range(2):
        claimed(recorder, job)
        keys.let_leases_run_out()
        assert reconciled(recorder) == (1, 1)
    claimed(recorder, job)
    claimed(recorder, job, 1)
    keys.lose_messages("large")
    keys.let_leases_run_out()
    [ended] = recorder.reconcile().ended_jobs
    assert (ended.status, ended.failure and ended.failure.reason) == (JobStatus.FAILED, FailureReason.WORKER_LOST)
    [now] = await store.read([job.id])
    assert now is not None
    assert (now.version, now.status) == (ended.version, JobStatus.FAILED)
    assert (keys.waiting("large"), keys.sent("large"), keys.leases()) == ([], {}, {})
    assert reconciled(recorder) == (0, 0)


async def test_a_job_whose_time_is_up_fails_and_its_worker_is_refused(
    store: JobStore, recorder: JobRecorder, keys: Keys, settings: JobSettings
) -> None:
    job, other = await submitted(store), await submitted(store)
    claim, others = claimed(recorder, job), claimed(recorder, other)
    assert recorder.reconcile().ended_jobs == ()
    assert abs(keys.deadline(job.id) - keys.now_ms() - settings.job_time_limit_seconds * 1000) < 10_000
    keys.let_time_be_up(job.id)
    [ended] = recorder.reconcile().ended_jobs
    assert (ended.id, ended.status) == (job.id, JobStatus.FAILED)
    assert ended.failure == Failure(FailureReason.TIMEOUT, "job exceeded its time limit of 3600 s")
    assert recorder.complete_segment(claim, made_up()) is CompletionOutcome.FENCED
    assert recorder.complete_segment(others, made_up()) is CompletionOutcome.COMPLETED
    assert (keys.leases(), keys.deadlines()) == ({}, {})


async def test_a_job_whose_time_is_up_while_it_waits_again_fails_when_it_runs(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    """QUEUED never becomes FAILED; and each second is soon enough to look again."""
    job = await submitted(store)
    claimed(recorder, job)
    keys.let_leases_run_out()
    assert reconciled(recorder) == (1, 1)
    keys.let_time_be_up(job.id)
    assert recorder.reconcile().ended_jobs == ()
    assert 0 < keys.deadline(job.id) - keys.now_ms() <= 1000
    claimed(recorder, job)
    keys.let_time_be_up(job.id)
    assert [ended.status for ended in recorder.reconcile().ended_jobs] == [JobStatus.FAILED]


async def test_what_a_worker_has_put_back_gets_a_time_to_live(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    await submitted(store)
    keys.client.persist(f"{keys.prefix}small")
    reconciled(recorder)
    assert keys.milliseconds_left("small") > 0
