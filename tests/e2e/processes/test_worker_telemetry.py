"""A worker's metrics are exact however its processes end, and lost attempts are in the trace."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.jobs import JobStatus
from tasks.requests import PrimesRequest
from tasks.storage.messages import queue_for
from tasks.worker.job_recorder import JobRecorder
from tests import programs
from tests.conftest import FREQUENT_EXPORT
from tests.otlp import receiver
from tests.waiting import eventually, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.jobs import Job
    from tasks.settings import JobSettings
    from tests.programs import Valkey
    from tests.tasks.keys import Keys

JOBS = 40
PROCESSES = 2
TASKS = "prime.task.duration"

# With cumulative totals, a process that continues the series of another with the same total would look idle.
DELTAS: dict[str, Any] = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}


# Every way in which a process can end


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGQUIT], ids=["warm", "cold"])
async def test_counts_are_exact_after_a_shutdown(
    valkey: Valkey, settings: JobSettings, tmp_path: Path, ending: signal.Signals
) -> None:
    with receiver() as received:
        options: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with programs.worker(tmp_path, valkey.url, settings.key_prefix, **options) as worker:
            await run_jobs(settings, JOBS)
            worker.send(ending)
            worker.wait()
        assert received.total(TASKS) == JOBS
        assert received.total("job.duration", job_status="SUCCEEDED") == JOBS
        assert received.total("prime.computed") == JOBS * 10


@pytest.mark.parametrize(
    ("ending", "count"),
    [(signal.SIGTERM, 100_000), (signal.SIGQUIT, 100_000), (signal.SIGTERM, 10_000), (signal.SIGQUIT, 10_000)],
    ids=["warm", "cold", "warm, several segments per task", "cold, several segments per task"],
)
async def test_counts_are_exact_after_a_shutdown_under_load(
    settings: JobSettings, keys: Keys, tmp_path: Path, ending: signal.Signals, count: int
) -> None:
    """Running tasks are completed and counted, queued ones are neither."""
    store = JobStore.connect(settings)

    async def done() -> int:
        return sum(job.status is JobStatus.SUCCEEDED for job in await store.get_jobs(ids, ANYONE) if job is not None)

    async def some_are_done() -> bool:
        return await done() >= 4

    with receiver() as received:
        options: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with programs.worker(tmp_path, str(settings.redis_url), settings.key_prefix, PROCESSES, **options) as worker:
            # At this start each takes a while.
            ids = [(await store.submit_job(PrimesRequest(count, 10**15), ANYONE)).job.id for _ in range(JOBS)]
            await eventually(some_are_done)
            worker.send(ending)
            worker.wait()
        assert 4 <= await done() < JOBS
        assert received.total(TASKS) == received.total("job.duration", job_status="SUCCEEDED") == await done()
        assert received.total("prime.computed") == await done() * count
    assert keys.leases() == {}
    queued = {f"{job.id}:0" for job in await store.get_jobs(ids, ANYONE) if job and job.status is JobStatus.QUEUED}
    assert len(queued) + await done() == JOBS
    messages = set(keys.queued_segments(queue_for(count)))
    assert queued <= messages
    # A process may have just taken a task when the signal arrived: it completes it, and Celery puts its message back.
    assert len(messages - queued) <= PROCESSES
    assert messages - queued <= {f"{id_}:0" for id_ in ids}
    await store.close()


async def test_counts_are_exact_when_pool_processes_are_replaced(
    valkey: Valkey, settings: JobSettings, recorder: JobRecorder, tmp_path: Path
) -> None:
    """A replacement also continues the series of the process before, so the number of series stays the same."""
    with receiver() as received:
        options: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint, **DELTAS}
        short = ["--max-tasks-per-child", "5"]
        with programs.worker(tmp_path, valkey.url, settings.key_prefix, arguments=short, **options):
            await run_jobs(settings, JOBS)
        assert received.total(TASKS) == JOBS
        assert received.total("job.duration") == JOBS
        # One for each place in the pool that ran a task: one task can run all these jobs.
        places = {instance.rpartition(":")[2] for instance in received.instances("primes-worker")}
        assert places
        assert places <= {"0", "1"}
    # The worker may have put back a message that was sent twice, while no process was free to take it.
    recorder.reconcile()


async def test_pool_without_forks_counts_too(valkey: Valkey, settings: JobSettings, tmp_path: Path) -> None:
    with receiver() as received:
        options: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with programs.worker(tmp_path, valkey.url, settings.key_prefix, arguments=["--pool", "threads"], **options):
            await run_jobs(settings, JOBS)
        assert received.total(TASKS) == JOBS


async def test_each_job_of_a_task_has_its_own_trace(valkey: Valkey, settings: JobSettings, tmp_path: Path) -> None:
    """Only the first one of a task is claimed by a separate call."""
    trace_ids = [f"{number:032x}" for number in range(1, JOBS + 1)]
    store = JobStore.connect(settings)
    jobs = [
        (await store.submit_job(PrimesRequest(10), ANYONE, f"00-{trace_id}-b7ad6b7169203331-01")).job
        for trace_id in trace_ids
    ]
    with receiver() as received:
        options: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with programs.worker(tmp_path, valkey.url, settings.key_prefix, **options):
            await ended(store, jobs)
        await store.close()
        claimed = Counter({"claim_segment": 1})
        of_next = Counter({"process small": 1, "compute": 1, "complete_segment": 1, "job": 1})
        found = [received.names(trace_id) for trace_id in trace_ids]
        assert [names - claimed for names in found] == [of_next] * JOBS
        assert of_next in found
        assert received.total("messaging.process.duration", task_outcome="done") == JOBS
        assert received.total("job.queue.duration") == JOBS
    assert {span.parent_id for span in received.spans if span.name == "process small"} == {"b7ad6b7169203331"}


# Spans of killed workers


async def test_lost_attempts_are_in_the_trace(
    valkey: Valkey, settings: JobSettings, keys: Keys, tmp_path: Path
) -> None:
    quick = settings.model_copy(update={"lease_seconds": 0.5, "max_attempts": 2})
    with receiver() as received:
        options = FREQUENT_EXPORT | {
            "OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint,
            "LEASE_SECONDS": "0.5",
        }
        store = JobStore.connect(quick)
        trace_id = "0af7651916cd43dd8448eb211c80319c"
        job = (await store.submit_job(PrimesRequest(10), ANYONE, f"00-{trace_id}-b7ad6b7169203331-01")).job
        recorder = JobRecorder.connect(quick)
        # Like a killed worker: it takes the message, claims the segment, and never extends the lease.
        keys.drop_messages()
        assert recorder.claim_segment(job.id, 0) is not None
        with programs.worker(tmp_path, valkey.url, settings.key_prefix, **options):
            await ended(store, [job])
        await store.close()
        assert received.names(trace_id) == Counter(
            {"attempt lost": 1, "process small": 1, "claim_segment": 1, "compute": 1, "complete_segment": 1, "job": 1}
        )


async def test_job_without_attempts_left_ends_its_trace(
    valkey: Valkey, settings: JobSettings, keys: Keys, tmp_path: Path
) -> None:
    quick = settings.model_copy(update={"lease_seconds": 0.5, "max_attempts": 1})
    with receiver() as received:
        options = FREQUENT_EXPORT | {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint, "LEASE_SECONDS": "0.5"}
        store = JobStore.connect(quick)
        trace_id = "0af7651916cd43dd8448eb211c80319c"
        job = (await store.submit_job(PrimesRequest(10), ANYONE, f"00-{trace_id}-b7ad6b7169203331-01")).job
        keys.drop_messages()
        assert JobRecorder.connect(quick).claim_segment(job.id, 0) is not None
        with programs.worker(tmp_path, valkey.url, settings.key_prefix, **options):
            await ended(store, [job])
            wait_until(lambda: received.names(trace_id) == Counter({"attempt lost": 1, "job": 1}))
        await store.close()
    [end] = [span for span in received.spans if span.name == "job"]
    assert (end.is_error, end.attributes["error.type"]) == (True, "WORKER_LOST")


async def run_jobs(settings: JobSettings, count: int) -> None:
    """Submit `count` jobs of ten primes and wait for all of them."""
    store = JobStore.connect(settings)
    jobs = [(await store.submit_job(PrimesRequest(10), ANYONE)).job for _ in range(count)]
    await ended(store, jobs)
    await store.close()


async def ended(store: JobStore, jobs: list[Job]) -> None:
    async def all_final() -> bool:
        return all(
            job is not None and job.status.is_final for job in await store.get_jobs([job.id for job in jobs], ANYONE)
        )

    await eventually(all_final)
