"""A worker that stores a segment claims the next one of a queue, in order, exactly once and after small ones."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tasks.callers import ANYONE
from tasks.requests import PrimesRequest
from tasks.storage.messages import SENDING_WINDOW
from tasks.storage.scripts import load_script
from tasks.storage.worker_scripts import ClaimNextSegment
from tests.tasks.keys import fake_result, grant_claim

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tasks.settings import JobSettings
    from tasks.storage.worker_scripts import Claim
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

WORKER = "celery@here"


async def submitted(store: JobStore, count: int = 20_000) -> Job:
    return (await store.submit_job(PrimesRequest(count), ANYONE)).job


def taken(recorder: JobRecorder, keys: Keys, job: Job) -> Claim:
    """Claim a job as a worker does that takes its message."""
    assert keys.queued_segments("large")[0] == f"{job.id}:0"
    keys.client.rpop(f"{keys.prefix}large")
    return grant_claim(recorder, job)


@pytest.mark.parametrize("is_completed", [False, True])
async def test_next_segment_is_claimed_with_its_message(
    store: JobStore, recorder: JobRecorder, keys: Keys, *, is_completed: bool
) -> None:
    """Also if the segment before was completed meanwhile."""
    first, second, third = [await submitted(store) for _ in range(3)]
    held = taken(recorder, keys, first)
    if is_completed:
        assert recorder.complete_segment(held, fake_result())
    following = recorder.claim_next_segment(held, "large", WORKER)
    assert following is not None
    assert (following.job_id, following.index, following.token, following.attempt) == (second.id, 0, 1, 1)
    assert keys.queued_segments("large") == [f"{third.id}:0"]
    assert list(keys.sent_at_ms("large")) == [f"{third.id}:0"]
    assert keys.segments(second.id)[0]["worker"] == WORKER
    assert f"{second.id}:0" in keys.leases()
    assert is_completed or recorder.complete_segment(held, fake_result())
    assert recorder.complete_segment(following, fake_result())


async def test_segments_of_a_job_take_turns_with_other_jobs(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    large, other = await submitted(store, 10 * 2**20), await submitted(store)
    claims: list[Claim | None] = [taken(recorder, keys, large)]
    for _ in range(9):
        held = claims[-1]
        assert held is not None
        claims.append(recorder.claim_next_segment(held, "large", WORKER))
        assert recorder.complete_segment(held, fake_result())
    found = [(claim.job_id, claim.index) for claim in claims if claim]
    assert found == [*((large.id, index) for index in range(SENDING_WINDOW)), (other.id, 0), (large.id, SENDING_WINDOW)]


async def test_nothing_is_claimed_while_small_jobs_wait(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    held, large = taken(recorder, keys, await submitted(store)), await submitted(store)
    small = await submitted(store, 10)
    assert recorder.claim_next_segment(held, "large", WORKER) is None
    assert keys.queued_segments("large") == [f"{large.id}:0"]
    assert keys.queued_segments("small") == [f"{small.id}:0"]


async def test_nothing_is_claimed_from_an_empty_queue(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    held = taken(recorder, keys, await submitted(store))
    assert recorder.claim_next_segment(held, "large", WORKER) is None


async def test_worker_that_has_lost_its_segment_claims_nothing(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    late, waiting = taken(recorder, keys, await submitted(store)), await submitted(store)
    keys.expire_leases()
    assert recorder.claim_segment(late.job_id, 0) is not None
    assert recorder.claim_next_segment(late, "large", WORKER) is None
    assert keys.queued_segments("large") == [f"{waiting.id}:0"]


async def test_deleted_record_does_not_come_back(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    held, _ = taken(recorder, keys, await submitted(store)), await submitted(store)
    keys.client.delete(f"{keys.prefix}job:{held.job_id}", f"{keys.prefix}job:{held.job_id}:segments")
    assert recorder.claim_next_segment(held, "large", WORKER) is None
    assert keys.segments(held.job_id) == {}


async def test_call_repeated_after_a_lost_reply_gets_the_same_claim(
    store: JobStore, recorder: JobRecorder, settings: JobSettings, keys: Keys
) -> None:
    """The client repeats a command when the connection breaks before the reply."""
    held, second, third = taken(recorder, keys, await submitted(store)), await submitted(store), await submitted(store)
    script = keys.client.register_script(load_script(ClaimNextSegment, settings))

    def claim() -> Claim | None:
        call = ClaimNextSegment(
            job=held.job_id,
            index=0,
            token=held.token,
            queue="large",
            nonce="a nonce",
            worker=WORKER,
            lease_ms=5000,
            time_limit_ms=60_000,
        )
        return next(iter(call.parse(script(keys=[settings.key_prefix], args=call.encode())).claims), None)

    first = claim()
    assert recorder.complete_segment(held, fake_result())
    assert first is not None
    assert first.job_id == second.id
    assert claim() == replace(first, waited_ms=None)
    assert keys.queued_segments("large") == [f"{third.id}:0"]
    assert (keys.record(second.id)["leased"], keys.record(second.id)["version"]) == ("1", "2")


async def test_worker_that_shuts_down_returns_both_segments(store: JobStore, recorder: JobRecorder, keys: Keys) -> None:
    first, second = await submitted(store), await submitted(store)
    keys.client.rpop(f"{keys.prefix}large")
    held = recorder.claim_segment(first.id, 0, WORKER)
    assert held is not None
    following = recorder.claim_next_segment(held, "large", WORKER)
    assert following is not None
    assert recorder.release_segments(WORKER) == 2
    assert sorted(keys.queued_segments("large")) == sorted([f"{first.id}:0", f"{second.id}:0"])
    assert not recorder.complete_segment(held, fake_result())
    assert not recorder.complete_segment(following, fake_result())
