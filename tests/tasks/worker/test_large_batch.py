"""Large segments: each is stored while the next one is computed, and leaves the way to small ones."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tasks.callers import ANYONE
from tasks.errors import ResultStoreUnavailable
from tasks.jobs import JobStatus
from tasks.worker import attempt, batch, termination
from tasks.worker.termination import Interrupted
from tests.tasks.worker.batches import LOGGER, Files, run_task, submitted, succeeded
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.storage.worker_scripts import Claim
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

pytestmark = pytest.mark.usefixtures("process")

# Primes of a job whose primes are a file.
LARGE = 20_000


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> dict[str, threading.Event]:
    """Set when the primes of a job are computed."""
    found: dict[str, threading.Event] = defaultdict(threading.Event)
    encode = attempt.encode

    def notify(claim: Claim, primes: Any) -> Any:
        found[claim.job_id].set()
        return encode(claim, primes)

    monkeypatch.setattr(attempt, "encode", notify)
    return found


async def test_large_segment_is_stored_while_the_next_one_is_computed(
    store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch, computed: dict[str, threading.Event]
) -> None:
    jobs = await submitted(store, 3, LARGE)
    following = {before.id: after.id for before, after in pairwise(jobs)}
    waited: list[bool] = []

    def put(result_id: str) -> None:
        if result_id in following:
            waited.append(computed[following[result_id]].wait(5))

    monkeypatch.setattr(Files, "put", staticmethod(put))
    run_task(keys, jobs[0], "large")
    assert waited == [True, True]
    assert await succeeded(store, jobs) == [True] * 3
    assert keys.leases() == keys.sent_at_ms("large") == {}


async def test_only_one_large_segment_waits_to_be_stored_and_leases_are_extended_meanwhile(
    store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch, computed: dict[str, threading.Event]
) -> None:
    jobs = await submitted(store, 3, LARGE)
    third: list[bool] = []

    def put(result_id: str) -> None:
        if result_id == jobs[0].id:
            assert computed[jobs[1].id].wait(5)
            third.append(computed[jobs[2].id].wait(0.2))
            keys.expire_leases()
            # The first check only finds them.
            attempt.lease_extender().check()
            attempt.lease_extender().check()
            assert min(keys.leases().values()) > keys.now_ms()
            assert sorted(keys.leases()) == sorted(f"{job.id}:0" for job in jobs[:2])

    monkeypatch.setattr(Files, "put", staticmethod(put))
    run_task(keys, jobs[0], "large")
    assert third == [False]
    assert await succeeded(store, jobs) == [True] * 3


async def test_large_segments_make_way_for_small_ones(store: JobStore, keys: Keys) -> None:
    large, small = await submitted(store, 2, LARGE), await submitted(store, 1)
    run_task(keys, large[0], "large")
    assert await succeeded(store, [*large, *small]) == [True, False, False]


async def test_large_segment_that_has_lost_its_worker_is_stored_alone(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    """One that kills workers costs another segment at most one attempt."""
    jobs = await submitted(store, 2, LARGE)
    assert recorder.claim_segment(jobs[0].id, 0, "celery@there")
    keys.expire_leases()
    run_task(keys, jobs[0], "large")
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [(job.status, job.attempt) for job in found if job] == [(JobStatus.SUCCEEDED, 2), (JobStatus.QUEUED, 1)]


async def test_large_segment_that_cannot_be_stored_fails_its_job_only(
    store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = await submitted(store, 3, LARGE)

    def put(result_id: str) -> None:
        if result_id == jobs[1].id:
            raise ResultStoreUnavailable("the result store is full")

    monkeypatch.setattr(Files, "put", staticmethod(put))
    with caplog.at_level(logging.INFO, LOGGER):
        run_task(keys, jobs[0], "large")
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [job.status for job in found if job] == [JobStatus.SUCCEEDED, JobStatus.FAILED, JobStatus.SUCCEEDED]
    records = [record for record in caplog.records if record.name == LOGGER]
    assert [getattr(record, "task_id", None) for record in records] == [f"{job.id}:0" for job in jobs]
    lines = [record.getMessage() for record in records]
    assert [line.partition(" in ")[0] for line in lines] == [
        f"Job {job.id} segment 0: {outcome}" for job, outcome in zip(jobs, ("done", "failed", "done"), strict=True)
    ]
    assert keys.leases() == {}


async def test_process_that_is_terminated_while_it_stores_releases_both_segments(
    store: JobStore, recorder: JobRecorder, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = await submitted(store, 3, LARGE)
    released = threading.Event()
    process = termination._Process()  # noqa: SLF001 - its state is this process's

    def put(_: str) -> None:
        assert released.wait(5)

    def release(worker: str) -> None:
        assert recorder.release_segments(worker) == 2
        released.set()

    def terminate(claim: Claim, primes: Any) -> Any:
        if claim.job_id == jobs[0].id:
            return encode(claim, primes)
        process.is_terminated = True
        raise Interrupted

    encode = attempt.encode
    monkeypatch.setattr(attempt, "encode", terminate)
    monkeypatch.setattr(batch, "release_segments", release)
    monkeypatch.setattr(termination, "_process", process)
    monkeypatch.setattr(Files, "put", staticmethod(put))
    run_task(keys, jobs[0], "large")
    wait_until(lambda: keys.client.hget(f"{keys.prefix}counters", "fenced complete_segment") == b"1")
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [(job.status, job.attempt) for job in found if job] == [(JobStatus.QUEUED, 1)] * 3
    assert sorted(keys.queued_segments("large")) == sorted(f"{job.id}:0" for job in jobs)
    assert keys.leases() == {}
