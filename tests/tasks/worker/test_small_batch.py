"""Small segments: one task computes several, up to its bounds, in order, each as a separate attempt."""

from __future__ import annotations

import errno
import logging
from typing import TYPE_CHECKING, Any

import pytest

from tasks import engine
from tasks.callers import ANYONE
from tasks.jobs import JobStatus
from tasks.worker import batch, small_batch
from tasks.worker.small_batch import SmallBatch
from tasks.worker.termination import Interrupted
from tests.tasks.keys import reconcile
from tests.tasks.worker.batches import LOGGER, run_task, submitted, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tasks.api.job_store import JobStore
    from tasks.worker.job_recorder import Completion, JobRecorder
    from tests.tasks.keys import Keys

pytestmark = pytest.mark.usefixtures("process")


# A number of primes for which the engine does something else.
FAILING = 11


def fail_for(wanted: int, error: BaseException) -> Callable[[int, int], Any]:
    """The engine, which fails for a number of primes."""
    compute = engine.primes_from

    def fail_or_compute(start: int, count: int) -> Any:
        if count == wanted:
            raise error
        return compute(start, count)

    return fail_or_compute


@pytest.fixture
def together(monkeypatch: pytest.MonkeyPatch, recorder: JobRecorder) -> list[list[str]]:
    """The ids of jobs that are completed together."""
    found: list[list[str]] = []
    complete = recorder.complete_and_claim_next

    def note(completions: Sequence[Completion], worker: str, limit: int) -> Any:
        found.append([claim.job_id for claim, *_ in completions])
        return complete(completions, worker, limit)

    monkeypatch.setattr(recorder, "complete_and_claim_next", note)
    return found


async def test_task_computes_all_small_segments_that_are_due(store: JobStore, keys: Keys) -> None:
    jobs = await submitted(store, 5)
    run_task(keys, jobs[0])
    assert await succeeded(store, jobs) == [True] * 5
    assert keys.queued_segments() == []
    assert keys.leases() == keys.sent_at_ms() == {}


async def test_number_of_segments_of_a_task_is_bounded(
    store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MAX_SEGMENTS", 3)
    jobs = await submitted(store, 5)
    run_task(keys, jobs[0])
    assert await succeeded(store, jobs) == [True, True, True, False, False]
    assert keys.queued_segments() == [f"{job.id}:0" for job in jobs[3:]]
    assert keys.leases() == {}


async def test_time_of_a_task_is_bounded(store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tasks the worker takes other messages, and can shut down."""
    monkeypatch.setattr(SmallBatch, "max_seconds", 0)
    jobs = await submitted(store, 2)
    run_task(keys, jobs[0])
    assert await succeeded(store, jobs) == [True, False]
    assert keys.queued_segments() == [f"{jobs[1].id}:0"]


async def test_failed_segment_fails_its_job_only(store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = await submitted(store, 3)
    [failing] = await submitted(store, 1, FAILING)
    after = await submitted(store, 3)
    monkeypatch.setattr(engine, "primes_from", fail_for(FAILING, ZeroDivisionError()))
    run_task(keys, jobs[0])
    assert await succeeded(store, [*jobs, *after]) == [True] * 6
    [failed] = await store.get_jobs([failing.id], ANYONE)
    assert failed is not None
    assert failed.status is JobStatus.FAILED
    assert keys.queued_segments() == []
    assert keys.leases() == {}


async def test_quick_segments_are_completed_together(store: JobStore, keys: Keys, together: list[list[str]]) -> None:
    jobs = await submitted(store, 12)
    run_task(keys, jobs[0])
    ids = [job.id for job in jobs]
    assert together == [ids[:1], ids[1:3], ids[3:7], ids[7:11], ids[11:]]


async def test_slow_segments_are_completed_one_by_one(
    store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch, together: list[list[str]]
) -> None:
    """Others wait for a free worker, not for the segments before them."""
    monkeypatch.setattr(small_batch, "_MAX_HELD_SECONDS", 0)
    jobs = await submitted(store, 4)
    run_task(keys, jobs[0])
    assert together == [[job.id] for job in jobs]


async def test_segments_that_have_lost_their_worker_are_computed_while_no_other_is_held(
    store: JobStore, recorder: JobRecorder, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that kills workers costs another segment at most one attempt."""
    jobs = [*await submitted(store, 3), *await submitted(store, 2, FAILING), *await submitted(store, 3)]
    lost = jobs[3:5]
    for job in lost:
        assert recorder.claim_segment(job.id, 0, "celery@there")
    keys.expire_leases()
    assert reconcile(recorder) == (2, 2)
    compute = engine.primes_from
    held: list[list[str]] = []

    def note(start: int, count: int) -> Any:
        if count == FAILING:
            held.append(list(keys.leases()))
        return compute(start, count)

    monkeypatch.setattr(engine, "primes_from", note)
    for job in (jobs[0], *lost):
        run_task(keys, job)
    assert held == [[f"{job.id}:0"] for job in lost]
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [(job.status, job.attempt) for job in found if job] == [
        (JobStatus.SUCCEEDED, attempt) for attempt in (1, 1, 1, 2, 2, 1, 1, 1)
    ]


async def test_store_that_refuses_to_write_costs_each_held_segment_an_attempt(
    store: JobStore,
    recorder: JobRecorder,
    keys: Keys,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = [*await submitted(store, 2), *await submitted(store, 1, FAILING)]
    compute = engine.primes_from

    def refuse(start: int, count: int) -> Any:
        if count == FAILING:
            keys.client.config_set("min-replicas-to-write", 1)
        return compute(start, count)

    with monkeypatch.context() as patch:
        patch.setattr(engine, "primes_from", refuse)
        try:
            run_task(keys, jobs[0])
        finally:
            keys.client.config_set("min-replicas-to-write", 0)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        f"Job {job.id} segment 0 abandoned: job store unavailable" for job in jobs[1:]
    ]
    assert await succeeded(store, jobs) == [True, False, False]
    keys.expire_leases()
    assert reconcile(recorder) == (2, 2)
    # In the order of their leases, which all expired at once.
    for job in sorted(jobs[1:], key=lambda job: job.id):
        run_task(keys, job)
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [(job.status, job.attempt) for job in found if job] == [
        (JobStatus.SUCCEEDED, attempt) for attempt in (1, 2, 2)
    ]


async def test_segment_lost_while_it_is_computed_ends_the_task(
    store: JobStore, recorder: JobRecorder, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = await submitted(store, 3)
    compute = engine.primes_from

    def compute_too_slowly(start: int, count: int) -> Any:
        keys.expire_leases()
        assert reconcile(recorder) == (1, 1)
        return compute(start, count)

    monkeypatch.setattr(engine, "primes_from", compute_too_slowly)
    run_task(keys, jobs[0])
    assert await succeeded(store, jobs) == [False] * 3
    assert keys.queued_segments() == [f"{job.id}:0" for job in (*jobs[1:], jobs[0])]
    assert keys.leases() == {}


@pytest.mark.parametrize(
    "error",
    [RuntimeError("can't start new thread"), MemoryError(), OSError(errno.EAGAIN, "no"), OSError(errno.EMFILE, "no")],
    ids=["threads", "memory", "EAGAIN", "files"],
)
async def test_lack_of_a_resource_costs_one_attempt_and_fails_no_job(
    store: JobStore, recorder: JobRecorder, keys: Keys, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: int) -> Any:
        raise error

    jobs = await submitted(store, 1)
    with monkeypatch.context() as patch:
        patch.setattr(engine, "primes_from", fail)
        run_task(keys, jobs[0])
    keys.expire_leases()
    assert reconcile(recorder) == (1, 1)
    run_task(keys, jobs[0])
    [job] = await store.get_jobs([jobs[0].id], ANYONE)
    assert job is not None
    assert (job.status, job.attempt) == (JobStatus.SUCCEEDED, 2)


async def test_segments_of_a_terminated_process_are_released_without_lost_attempts(
    store: JobStore, recorder: JobRecorder, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "release_segments", recorder.release_segments)
    jobs = [*await submitted(store, 2), *await submitted(store, 1, FAILING), *await submitted(store, 1)]
    monkeypatch.setattr(engine, "primes_from", fail_for(FAILING, Interrupted()))
    run_task(keys, jobs[0])
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [(job.status, job.attempt) for job in found if job] == [
        (JobStatus.SUCCEEDED, 1),
        *[(JobStatus.QUEUED, 1)] * 3,
    ]
    assert [keys.segments(job.id)[0]["lost"] for job in jobs] == [0] * 4
    assert set(keys.queued_segments()) == {f"{job.id}:0" for job in jobs[1:]}
    assert keys.leases() == {}


async def test_several_segments_are_logged_in_one_line(
    store: JobStore, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    jobs = await submitted(store, 3)
    with caplog.at_level(logging.DEBUG, LOGGER):
        run_task(keys, jobs[0])
    lines = [(record.levelname, record.getMessage(), getattr(record, "job_id", None)) for record in caplog.records]
    assert [(level, job_id) for level, _, job_id in lines] == [*(("DEBUG", job.id) for job in jobs), ("INFO", None)]
    assert lines[1][1].startswith(f"Job {jobs[1].id} segment 0: done in ")
    assert lines[3][1].startswith("Queue small: 3 segments in ")
    assert lines[3][1].endswith(": 3 done")


async def test_single_segment_is_logged_with_its_job(
    store: JobStore, keys: Keys, caplog: pytest.LogCaptureFixture
) -> None:
    [job] = await submitted(store, 1)
    with caplog.at_level(logging.DEBUG, LOGGER):
        run_task(keys, job)
    [line] = caplog.records
    assert (line.levelname, line.job_id) == ("INFO", job.id)  # type: ignore[attr-defined] # an extra field
    assert line.getMessage().startswith(f"Job {job.id} segment 0: done in ")
