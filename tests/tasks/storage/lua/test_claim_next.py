"""Completing segments claims next ones from the queue of small jobs, in order and exactly once."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from opentelemetry.trace import INVALID_SPAN

from tasks.callers import ANYONE
from tasks.jobs import Job, JobStatus
from tasks.requests import PrimesRequest
from tasks.storage.scripts import load_script
from tasks.storage.worker_scripts import CompleteSegment, CompletionReply
from tasks.worker.job_recorder import Completion
from tests.tasks.keys import complete_and_claim, fake_result, grant_claim, reconcile

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.settings import JobSettings
    from tasks.storage.worker_scripts import Claim
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

WORKER = "celery@here"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def submitted(store: JobStore, count: int = 10, traceparent: str | None = None) -> Job:
    return (await store.submit_job(PrimesRequest(count), ANYONE, traceparent)).job


def taken(recorder: JobRecorder, keys: Keys, job: Job) -> Claim:
    """Claim a job as a worker does that takes its message."""
    assert keys.queued_segments()[0] == f"{job.id}:0"
    keys.client.rpop(f"{keys.prefix}small")
    return grant_claim(recorder, job)


async def test_next_segment_is_claimed_with_its_message(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    first, second, third = await submitted(store), await submitted(store, 20, TRACE), await submitted(store)
    claim = taken(recorder, keys, first)
    completed, [following] = complete_and_claim(recorder, claim)
    assert completed
    assert (following.job_id, following.index, following.count, following.token) == (second.id, 0, 20, 1)
    assert (following.traceparent, following.attempt, following.is_small) == (TRACE, 1, True)
    assert keys.queued_segments() == [f"{third.id}:0"]
    assert list(keys.sent_at_ms()) == [f"{third.id}:0"]
    assert list(keys.leases()) == [f"{second.id}:0"]
    assert keys.segments(second.id)[0]["worker"] == WORKER
    statuses = [job and (job.status, job.version) for job in await store.get_jobs([first.id, second.id], ANYONE)]
    assert statuses == [(JobStatus.SUCCEEDED, 3), (JobStatus.RUNNING, 2)]
    assert keys.client.hget(f"{keys.prefix}counters", "claims small") == b"2"


async def test_claimed_next_segment_is_refused_to_others_and_can_be_completed(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    claim, second = taken(recorder, keys, await submitted(store)), await submitted(store)
    _, [following] = complete_and_claim(recorder, claim)
    assert recorder.claim_segment(second.id, 0) is None
    assert recorder.extend_lease(following)
    assert complete_and_claim(recorder, following) == (True, [])
    [ended] = await store.get_jobs([second.id], ANYONE)
    assert ended is not None
    assert (ended.status, ended.version) == (JobStatus.SUCCEEDED, 3)
    assert keys.leases() == keys.sent_at_ms() == {}


async def test_several_segments_are_completed_at_once_and_claim_up_to_the_limit(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    jobs = [await submitted(store) for _ in range(6)]
    held = [taken(recorder, keys, job) for job in jobs[:2]]
    completions = [Completion(claim, fake_result(), INVALID_SPAN) for claim in held]
    outcomes, claims = recorder.complete_and_claim_next(completions, WORKER, 3)
    assert outcomes == [True, True]
    assert [claim.job_id for claim in claims] == [job.id for job in jobs[2:5]]
    assert set(keys.leases()) == {f"{job.id}:0" for job in jobs[2:5]}
    assert keys.queued_segments() == [f"{jobs[5].id}:0"]
    outcomes, claims = recorder.complete_and_claim_next(completions, WORKER, 0)
    assert (outcomes, claims) == ([False, False], [])


async def test_server_that_has_lost_its_scripts_gets_them_again(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    claim, second = taken(recorder, keys, await submitted(store)), await submitted(store)
    keys.client.script_flush()
    completed, [following] = complete_and_claim(recorder, claim)
    assert completed
    assert following.job_id == second.id


async def test_large_jobs_are_left_to_celery(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    claim, large = taken(recorder, keys, await submitted(store)), await submitted(store, 20_000)
    assert complete_and_claim(recorder, claim) == (True, [])
    assert keys.queued_segments("large") == [f"{large.id}:0"]


async def test_messages_of_ended_and_claimed_jobs_are_discarded(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    claim, running, last = taken(recorder, keys, await submitted(store)), await submitted(store), await submitted(store)
    held = grant_claim(recorder, running)
    _, [following] = complete_and_claim(recorder, claim)
    assert following.job_id == last.id
    assert keys.queued_segments() == []
    assert recorder.complete_segment(held, fake_result())


async def test_one_call_discards_at_most_eight_messages(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    claim, jobs = taken(recorder, keys, await submitted(store)), [await submitted(store) for _ in range(10)]
    for job in jobs:
        grant_claim(recorder, job)
    assert complete_and_claim(recorder, claim) == (True, [])
    assert keys.queued_segments() == [f"{job.id}:0" for job in jobs[8:]]


async def test_expired_lease_found_meanwhile_counts_as_a_lost_attempt(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    claim, second = taken(recorder, keys, await submitted(store)), await submitted(store)
    late = grant_claim(recorder, second)
    keys.client.zadd(f"{keys.prefix}leases", {f"{second.id}:0": 1})
    _, [following] = complete_and_claim(recorder, claim)
    assert (following.job_id, following.attempt, following.token) == (second.id, 2, late.token + 1)
    assert not recorder.complete_segment(late, fake_result())


async def test_message_of_another_program_stays_in_the_queue(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    claim = taken(recorder, keys, await submitted(store))
    other = '{"headers": {"id": "0b8c9c1e-7b2a-4c0d-9f3e-2f1d5a6b7c8d"}}'
    keys.client.lpush(f"{keys.prefix}small", other)
    assert complete_and_claim(recorder, claim) == (True, [])
    assert keys.client.lrange(f"{keys.prefix}small", 0, -1) == [other.encode()]
    assert keys.ttl_ms("small") > 0


async def test_record_of_a_newer_format_is_sent_again_later(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    claim, newer = taken(recorder, keys, await submitted(store)), await submitted(store)
    keys.client.hset(f"{keys.prefix}job:{newer.id}", "format", "2")
    assert complete_and_claim(recorder, claim) == (True, [])
    keys.age_sent_messages(2000)
    assert reconcile(recorder) == (0, 1)
    assert keys.queued_segments() == [f"{newer.id}:0"]


async def test_fenced_worker_claims_nothing(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    late, waiting = taken(recorder, keys, await submitted(store)), await submitted(store)
    keys.expire_leases()
    assert reconcile(recorder) == (1, 1)
    before = keys.queued_segments()
    assert complete_and_claim(recorder, late) == (False, [])
    assert keys.queued_segments() == before
    assert f"{waiting.id}:0" in before


async def test_completion_repeated_after_a_lost_reply_gets_the_same_claim(
    store: JobStore, recorder: JobRecorder, settings: JobSettings, keys: Keys
) -> None:
    """The client repeats a command when the connection breaks before the reply."""
    claim, second, third = taken(recorder, keys, await submitted(store)), await submitted(store), await submitted(store)
    script = keys.client.register_script(load_script(CompleteSegment, settings))
    result, nonce = fake_result(), uuid.uuid4().hex

    def complete() -> CompletionReply:
        call = CompleteSegment(
            job=claim.job_id,
            index=0,
            token=claim.token,
            length=10,
            first="2",
            last="3",
            digest=result.digest,
            deltas=result.deltas,
            nonces=[nonce],
            worker=WORKER,
            lease_ms=5000,
            time_limit_ms=60_000,
        )
        return call.parse(script(keys=[settings.key_prefix], args=call.encode()))

    first, again = complete(), complete()
    assert (first.is_fenced, again.is_fenced) == (False, True)
    [claimed] = first.following.claims
    assert claimed.job_id == second.id
    assert again.following.claims == (replace(claimed, waited_ms=None),)
    assert keys.queued_segments() == [f"{third.id}:0"]
    assert (keys.record(second.id)["leased"], keys.record(second.id)["version"]) == ("1", "2")


async def test_worker_that_shuts_down_returns_the_next_segment_too(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    claim, second = taken(recorder, keys, await submitted(store)), await submitted(store)
    _, [following] = complete_and_claim(recorder, claim)
    assert recorder.release_segments(WORKER) == 1
    assert keys.queued_segments() == [f"{second.id}:0"]
    assert complete_and_claim(recorder, following) == (False, [])
    assert grant_claim(recorder, second).attempt == 1
