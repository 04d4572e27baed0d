"""One task computes several segments: up to its bounds, in order, each as a separate attempt."""

from __future__ import annotations

import errno
import logging
import threading
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from tasks import engine
from tasks.callers import ANYONE
from tasks.errors import ResultStoreUnavailable
from tasks.jobs import JobStatus
from tasks.requests import PrimesRequest
from tasks.worker import attempt, generate_segment, termination
from tasks.worker.generate_segment import Batch
from tasks.worker.lease import LeaseExtender
from tasks.worker.termination import Interrupted
from tests.tasks.keys import reconcile
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tasks.storage.worker_scripts import Claim
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

LOGGER = "tasks.worker.generate_segment"

# Primes of a job whose primes are a file.
LARGE = 20_000


@pytest.fixture(autouse=True)
def _process(monkeypatch: pytest.MonkeyPatch, recorder: JobRecorder) -> None:
    """This process, as a pool's process that runs tasks."""
    extender = LeaseExtender(recorder)
    monkeypatch.setattr(attempt, "writer", Files)
    for module in (attempt, generate_segment):
        monkeypatch.setattr(module, "recorder", lambda: recorder)
    monkeypatch.setattr(attempt, "lease_extender", lambda: extender)


class Files:
    """The result store."""

    put: Callable[[str], None] = staticmethod(lambda _: None)

    def put_segment(self, result_id: str, *_: object) -> None:
        Files.put(result_id)


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


async def submitted(store: JobStore, jobs: int, count: int = 10) -> list[Job]:
    return [(await store.submit_job(PrimesRequest(count), ANYONE)).job for _ in range(jobs)]


def run_task(keys: Keys, job: Job, queue: str = "small") -> None:
    """Take the message of a job, which is the first one, and run its task."""
    assert keys.queued_segments(queue)[0] == f"{job.id}:0"
    keys.client.rpop(f"{keys.prefix}{queue}")
    Batch(queue, "celery@here").run(job.id, 0, job.traceparent)


async def succeeded(store: JobStore, jobs: list[Job]) -> list[bool]:
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    return [job is not None and (job.status, job.version) == (JobStatus.SUCCEEDED, 3) for job in found]


async def test_task_computes_all_small_segments_that_are_due(store: JobStore, keys: Keys) -> None:
    jobs = await submitted(store, 5)
    run_task(keys, jobs[0])
    assert await succeeded(store, jobs) == [True] * 5
    assert keys.queued_segments() == []
    assert keys.leases() == keys.sent_at_ms() == {}


async def test_number_of_segments_of_a_task_is_bounded(
    store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generate_segment, "MAX_SEGMENTS", 3)
    jobs = await submitted(store, 5)
    run_task(keys, jobs[0])
    assert await succeeded(store, jobs) == [True, True, True, False, False]
    assert keys.queued_segments() == [f"{job.id}:0" for job in jobs[3:]]
    assert keys.leases() == {}


async def test_time_of_a_task_is_bounded(store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two tasks the worker takes other messages, and can shut down."""
    monkeypatch.setattr(generate_segment, "MAX_SECONDS", {"small": 0})
    jobs = await submitted(store, 2)
    run_task(keys, jobs[0])
    assert await succeeded(store, jobs) == [True, False]
    assert keys.queued_segments() == [f"{jobs[1].id}:0"]


async def test_failed_segment_ends_the_task(store: JobStore, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = await submitted(store, 3)
    [failing] = await submitted(store, 1, 11)
    after = await submitted(store, 1)
    compute = engine.primes_from

    def fail_for_eleven(start: int, count: int) -> Any:
        if count == 11:
            raise ZeroDivisionError
        return compute(start, count)

    monkeypatch.setattr(engine, "primes_from", fail_for_eleven)
    run_task(keys, jobs[0])
    assert await succeeded(store, [*jobs, *after]) == [True, True, True, False]
    [failed] = await store.get_jobs([failing.id], ANYONE)
    assert failed is not None
    assert failed.status is JobStatus.FAILED
    assert keys.queued_segments() == [f"{after[0].id}:0"]
    assert keys.leases() == {}


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


async def test_segment_of_a_terminated_process_is_released_without_a_lost_attempt(
    store: JobStore, recorder: JobRecorder, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    def terminate(*_: int) -> Any:
        raise Interrupted

    monkeypatch.setattr(generate_segment, "release_segments", recorder.release_segments)
    monkeypatch.setattr(engine, "primes_from", terminate)
    jobs = await submitted(store, 2)
    run_task(keys, jobs[0])
    found = await store.get_jobs([jobs[0].id], ANYONE)
    assert [(job.status, job.attempt) for job in found if job] == [(JobStatus.QUEUED, 1)]
    assert keys.segments(jobs[0].id)[0]["lost"] == 0
    assert keys.queued_segments() == [f"{job.id}:0" for job in (jobs[1], jobs[0])]
    assert keys.leases() == {}


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
    monkeypatch.setattr(generate_segment, "release_segments", release)
    monkeypatch.setattr(termination, "_process", process)
    monkeypatch.setattr(Files, "put", staticmethod(put))
    run_task(keys, jobs[0], "large")
    wait_until(lambda: keys.client.hget(f"{keys.prefix}counters", "fenced complete_segment") == b"1")
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    assert [(job.status, job.attempt) for job in found if job] == [(JobStatus.QUEUED, 1)] * 3
    assert sorted(keys.queued_segments("large")) == sorted(f"{job.id}:0" for job in jobs)
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
