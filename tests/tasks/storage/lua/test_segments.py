"""Jobs of many segments: sent a few at a time, completed in any order, ended by the last one to complete."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.jobs import SEGMENT_PRIMES, FailureReason, JobStatus, ResultState
from tasks.requests import PrimesRequest
from tasks.storage import scripts
from tests.tasks.keys import fake_result, grant_claim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tasks.jobs import Job
    from tasks.settings import JobSettings
    from tasks.worker.job_recorder import JobRecorder, SegmentResult
    from tests.tasks.keys import Keys

COUNT = 5 * SEGMENT_PRIMES + 7


@pytest.fixture(autouse=True)
def _window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer segments at a time than the jobs here have."""
    monkeypatch.setattr(scripts, "SENDING_WINDOW", 4)


@pytest.fixture
async def job(store: JobStore) -> Job:
    return (await store.submit_job(PrimesRequest(COUNT), ANYONE)).job


async def current(store: JobStore, job: Job) -> Job:
    [found] = await store.get_jobs([job.id], ANYONE)
    assert found is not None
    return found


def result_of(index: int) -> SegmentResult:
    """A result whose digest differs from that of every other segment."""
    return replace(fake_result(), digest=digest_of(index).hex())


def digest_of(index: int) -> bytes:
    return hashlib.sha256(b"segment %d" % index).digest()


def checksum_of(segments: Iterable[int]) -> str:
    return hashlib.sha256(b"".join(digest_of(index) for index in segments)).hexdigest()


def indices(keys: Keys) -> list[int]:
    return [int(member.rpartition(":")[2]) for member in keys.queued_segments("large")]


def indices_of(job: Job, keys: Keys) -> list[int]:
    return [int(member.rpartition(":")[2]) for member in keys.queued_segments("large") if member.startswith(job.id)]


def test_only_a_few_segments_are_sent_at_submission(keys: Keys, job: Job) -> None:
    assert indices(keys) == [0, 1, 2, 3]
    assert sorted(keys.sent_at_ms("large")) == [f"{job.id}:{index}" for index in range(4)]


def test_each_completed_segment_sends_the_next(recorder: JobRecorder, keys: Keys, job: Job) -> None:
    recorder.complete_segment(grant_claim(recorder, job, 2), fake_result())
    assert indices(keys) == [0, 1, 2, 3, 4]
    recorder.complete_segment(grant_claim(recorder, job, 0), fake_result())
    assert indices(keys) == [0, 1, 2, 3, 4, 5]
    recorder.complete_segment(grant_claim(recorder, job, 1), fake_result())
    assert indices(keys) == [0, 1, 2, 3, 4, 5]


def test_segment_that_is_claimed_already_is_not_sent(recorder: JobRecorder, keys: Keys, job: Job) -> None:
    """A store that restarts without its last second has not sent a segment whose message a worker has taken."""
    early = grant_claim(recorder, job, 4)
    recorder.complete_segment(grant_claim(recorder, job, 0), fake_result())
    assert indices(keys) == [0, 1, 2, 3]
    assert f"{job.id}:4" in keys.leases()
    assert recorder.complete_segment(early, fake_result())
    assert indices(keys) == [0, 1, 2, 3, 5]


async def test_all_completed_segments_count_but_only_the_prefix_is_available(
    store: JobStore, recorder: JobRecorder, job: Job
) -> None:
    progress = []
    for index in (1, 3, 5, 0, 2):
        recorder.complete_segment(grant_claim(recorder, job, index), fake_result())
        found = await current(store, job)
        assert found.status is JobStatus.RUNNING
        progress.append((found.done - found.done // SEGMENT_PRIMES * SEGMENT_PRIMES, found.available // SEGMENT_PRIMES))
    assert progress == [(0, 0), (0, 0), (7, 0), (7, 2), (7, 4)]
    recorder.complete_segment(grant_claim(recorder, job, 4), fake_result())
    ended = await current(store, job)
    assert (ended.status, ended.done, ended.available) == (JobStatus.SUCCEEDED, COUNT, COUNT)


def test_last_segment_has_the_remaining_length(recorder: JobRecorder, job: Job) -> None:
    assert [grant_claim(recorder, job, index).length for index in (0, 5)] == [SEGMENT_PRIMES, 7]


def test_claim_counts_from_the_nearest_completed_segment(recorder: JobRecorder, job: Job) -> None:
    """Or from the start of the job if there is none: counting far from a large start takes most of the time."""

    def base_of(index: int) -> tuple[int, int]:
        claim = grant_claim(recorder, job, index)
        recorder.complete_segment(claim, replace(fake_result(), last=1000 + index))
        return claim.base, claim.rank_from_base // SEGMENT_PRIMES

    assert [base_of(index) for index in (1, 3, 0, 4, 2)] == [(2, 1), (1002, 1), (2, 0), (1004, 0), (1002, 0)]


async def test_every_visible_change_raises_the_version_by_one(store: JobStore, recorder: JobRecorder, job: Job) -> None:
    claims = [grant_claim(recorder, job, index) for index in range(4)]
    assert (await current(store, job)).version == 2
    for version, claim in enumerate(claims, 3):
        recorder.complete_segment(claim, fake_result())
        assert (await current(store, job)).version == version


async def test_lost_segment_does_not_affect_the_others(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    grant_claim(recorder, job, 0)
    other = grant_claim(recorder, job, 1)
    keys.client.zadd(f"{keys.prefix}leases", {f"{job.id}:0": 1})
    before = await current(store, job)
    again = grant_claim(recorder, job, 0)
    after = await current(store, job)
    assert (again.attempt, after.attempt, after.status) == (2, 2, JobStatus.RUNNING)
    assert after.version == before.version + 1
    assert recorder.complete_segment(other, fake_result())
    assert keys.record(job.id)["leased"] == "1"


@pytest.mark.parametrize("ended_by", ["failure", "cancellation", "lost attempts"])
async def test_end_of_a_job_withdraws_all_its_segments(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job, ended_by: str
) -> None:
    other = (await store.submit_job(PrimesRequest(20_000), ANYONE)).job
    claims = [grant_claim(recorder, job, index) for index in (0, 1)]
    for _ in claims:
        keys.client.rpop(f"{keys.prefix}large")
    if ended_by == "failure":
        assert recorder.fail_job(claims[0], FailureReason.INTERNAL, "text")
    elif ended_by == "cancellation":
        await store.cancel_job(job.id, ANYONE)
    else:
        for _ in range(3):
            keys.client.zadd(f"{keys.prefix}leases", {f"{job.id}:0": 1})
            recorder.claim_segment(job.id, 0)
    assert (await current(store, job)).status.is_final
    assert keys.leases() == {}
    assert set(keys.sent_at_ms("large")) == {f"{other.id}:0"}
    assert keys.queued_segments("large") == [f"{other.id}:0"]
    assert keys.record(job.id)["leased"] == "0"
    assert {recorder.complete_segment(claim, fake_result()) for claim in claims} == {False}
    assert recorder.claim_segment(job.id, 3) is None


async def test_segments_completed_before_a_cancellation_stay_available(
    store: JobStore, recorder: JobRecorder, job: Job
) -> None:
    recorder.complete_segment(grant_claim(recorder, job, 0), fake_result())
    cancelled = await store.cancel_job(job.id, ANYONE)
    assert (cancelled.done, cancelled.available) == (SEGMENT_PRIMES, SEGMENT_PRIMES)


async def test_large_jobs_take_turns(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    first = (await store.submit_job(PrimesRequest(COUNT), ANYONE)).job
    second = (await store.submit_job(PrimesRequest(COUNT), ANYONE)).job
    recorder.complete_segment(grant_claim(recorder, first, 0), fake_result())
    order = [member.partition(":")[0] for member in keys.queued_segments("large")]
    assert order == [first.id] * 4 + [second.id] * 4 + [first.id]


# The end of a job, and its result


async def test_last_segment_to_be_completed_ends_the_job(store: JobStore, recorder: JobRecorder, job: Job) -> None:
    for index in (0, 5, 3, 1, 4, 2):
        before = await current(store, job)
        assert (before.status.is_final, before.sha256) == (False, None)
        assert recorder.complete_segment(grant_claim(recorder, job, index), result_of(index))
    completed = await current(store, job)
    assert (completed.status, completed.available) == (JobStatus.SUCCEEDED, COUNT)
    assert completed.sha256 == checksum_of(range(6))


async def test_segment_completed_by_an_older_version_leaves_the_checksum_unknown(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    for index in range(5):
        assert recorder.complete_segment(grant_claim(recorder, job, index), result_of(index))
    segments = f"{keys.prefix}job:{job.id}:segments"
    without_digest = keys.segments(job.id)[3]
    del without_digest["digest"]
    keys.client.hset(segments, "3", json.dumps(without_digest))
    assert recorder.complete_segment(grant_claim(recorder, job, 5), result_of(5))
    completed = await current(store, job)
    assert (completed.status, completed.available, completed.sha256) == (JobStatus.SUCCEEDED, COUNT, None)


async def test_retried_job_keeps_the_completed_segments(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    for index in (0, 1, 3):
        recorder.complete_segment(grant_claim(recorder, job, index), result_of(index))
    await store.cancel_job(job.id, ANYONE)
    again = (await store.retry_job(job.id, ANYONE)).job
    assert (again.result_id, again.done, again.available) == (job.id, 3 * SEGMENT_PRIMES, 2 * SEGMENT_PRIMES)
    assert indices_of(again, keys) == [2, 4, 5]
    assert recorder.claim_segment(again.id, 1) is None
    for index in (5, 2):
        recorder.complete_segment(grant_claim(recorder, again, index), result_of(index))
    recorder.complete_segment(grant_claim(recorder, again, 4), result_of(4))
    found = await current(store, again)
    assert (found.status, found.done, found.available) == (JobStatus.SUCCEEDED, COUNT, COUNT)
    assert found.sha256 == checksum_of(range(6))


async def test_retry_does_not_send_what_a_larger_window_of_an_older_version_completed(
    store: JobStore, recorder: JobRecorder, keys: Keys, settings: JobSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(scripts, "SENDING_WINDOW", 6)
        older = JobStore.connect(settings)
    job = (await older.submit_job(PrimesRequest(COUNT), ANYONE)).job
    await older.close()
    recorder.complete_segment(grant_claim(recorder, job, 5), result_of(5))
    await store.cancel_job(job.id, ANYONE)
    again = (await store.retry_job(job.id, ANYONE)).job
    for index in range(5):
        recorder.complete_segment(grant_claim(recorder, again, index), result_of(index))
    assert indices_of(again, keys) == [0, 1, 2, 3, 4]
    assert (await current(store, again)).status is JobStatus.SUCCEEDED


async def test_retry_after_the_files_expired_starts_from_the_beginning(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    recorder.complete_segment(grant_claim(recorder, job, 0), fake_result())
    await store.cancel_job(job.id, ANYONE)
    keys.client.zadd(f"{keys.prefix}folders", {job.id: keys.now_ms() - 1})
    again = (await store.retry_job(job.id, ANYONE)).job
    assert (again.result_id, again.done) == (again.id, 0)
    assert indices_of(again, keys) == [0, 1, 2, 3]


async def test_prefix_of_a_cancelled_job_is_readable_until_it_expires(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    for index in (0, 1, 3):
        recorder.complete_segment(grant_claim(recorder, job, index), fake_result())
    await store.cancel_job(job.id, ANYONE)
    found = await current(store, job)
    assert (found.result_state, found.readable) == (ResultState.PARTIAL, 2 * SEGMENT_PRIMES)
    keys.client.hset(f"{keys.prefix}job:{job.id}", "result_expires_at", keys.now_ms() - 1)
    assert (await current(store, job)).result_state is ResultState.EXPIRED


# Files


async def test_files_are_kept_while_a_job_may_read_or_write_them(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    small = (await store.submit_job(PrimesRequest(10), ANYONE)).job
    cancelled = (await store.submit_job(PrimesRequest(20_000), ANYONE)).job
    done = (await store.submit_job(PrimesRequest(20_000), ANYONE)).job
    await store.cancel_job(cancelled.id, ANYONE)
    recorder.complete_segment(grant_claim(recorder, done), fake_result())
    all_of_them = [job.id, small.id, cancelled.id, done.id, "unknown"]
    assert await store.live_result_ids(all_of_them) == {job.id, cancelled.id, done.id}
    kept = {member.decode(): score for member, score in keys.client.zscan_iter(f"{keys.prefix}folders")}
    assert kept[cancelled.id] - keys.now_ms() < 61_000 < kept[done.id] - keys.now_ms() < kept[job.id] - keys.now_ms()
    # Expired by more and by less than the grace period of a minute.
    keys.client.zadd(f"{keys.prefix}folders", {cancelled.id: keys.now_ms() - 61_000, done.id: keys.now_ms() - 59_000})
    assert await store.live_result_ids(all_of_them) == {job.id, done.id}


def test_files_of_an_open_job_are_kept_as_long_as_its_record(recorder: JobRecorder, keys: Keys, job: Job) -> None:
    """A job that waited for almost its whole time-to-live would lose its first files while it runs."""
    claims = []

    def release() -> None:
        grant_claim(recorder, job, 1)
        recorder.release_segments("")

    keys.client.hset(f"{keys.prefix}job:{job.id}", "created_at", keys.now_ms() - 3600 * 1000 * 24)
    for step in (
        lambda: claims.append(grant_claim(recorder, job, 0)),
        lambda: recorder.complete_segment(claims[0], fake_result()),
        release,
    ):
        keys.client.zadd(f"{keys.prefix}folders", {job.id: keys.now_ms() + 1_000})
        step()
        kept_until = keys.client.zscore(f"{keys.prefix}folders", job.id) or 0
        record_until = keys.now_ms() + keys.client.pttl(f"{keys.prefix}job:{job.id}")
        assert kept_until >= record_until - 1_000


async def test_files_shared_by_retries_are_kept_when_one_of_them_ends(
    store: JobStore, recorder: JobRecorder, keys: Keys, job: Job
) -> None:
    recorder.complete_segment(grant_claim(recorder, job, 1), fake_result())
    await store.cancel_job(job.id, ANYONE)
    first, second = [(await store.retry_job(job.id, ANYONE)).job for _ in range(2)]
    await store.cancel_job(first.id, ANYONE)
    score = keys.client.zscore(f"{keys.prefix}folders", job.id)
    assert score is not None
    assert score > keys.now_ms() + 6 * 24 * 3600 * 1000
    assert await store.live_result_ids([second.result_id or ""]) == {job.id}
