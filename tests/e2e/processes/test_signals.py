"""A worker that any signal but SIGKILL ends loses no attempt, whatever its processes are doing."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from contextlib import contextmanager
from signal import SIGINT, SIGQUIT, SIGTERM, SIGUSR1
from typing import TYPE_CHECKING

import pytest

from tasks.api.job_store import JobStore
from tasks.callers import ANYONE
from tasks.jobs import JobStatus
from tasks.requests import PrimesRequest
from tests import programs
from tests.e2e.faults.launchers.worker_signalled_with_a_message import MOMENTS
from tests.e2e.faults.launchers.worker_that_hangs import HANGING_COUNT
from tests.e2e.faults.launchers.worker_that_is_slow import SLOW_COUNTS
from tests.tasks.final_jobs import wait_until_final
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tasks.settings import JobSettings
    from tests.programs import Program
    from tests.tasks.keys import Keys

# A single lost attempt fails the job.
ENVIRONMENT = {"MAX_ATTEMPTS": "1", "LEASE_SECONDS": "1"}
_PACE_SECONDS = 0.25
REMAPPED = {"REMAP_SIGTERM": "SIGQUIT"}


@pytest.mark.parametrize(
    ("signals", "is_group", "environment"),
    [
        ((SIGTERM,) * 3, True, {}),
        ((SIGTERM,) * 5, True, REMAPPED),
        ((SIGINT,) * 5, True, {}),
        ((SIGQUIT,) * 5, False, {}),
        ((SIGUSR1, SIGTERM, SIGINT, SIGQUIT) * 2, True, {}),
    ],
    ids=["3 TERM", "5 TERM remapped", "5 INT", "5 QUIT, main process", "mixed"],
)
async def test_no_attempt_is_lost_by_signals(  # noqa: PLR0913, PLR0917 - fixtures
    signals: tuple[signal.Signals, ...],
    is_group: bool,
    environment: dict[str, str],
    settings: JobSettings,
    keys: Keys,
    tmp_path: Path,
) -> None:
    store = JobStore.connect(settings.model_copy(update={"max_attempts": 1, "lease_seconds": 1.0}))
    jobs = [(await store.submit_job(PrimesRequest(count), ANYONE)).job for count in SLOW_COUNTS]
    with slow_worker(tmp_path, settings, **ENVIRONMENT | environment) as worker:
        wait_until(lambda: len(keys.leases()) == len(jobs), explain=worker.output)
        for number in signals:
            if worker.process.poll() is None:
                (os.killpg if is_group else os.kill)(worker.process.pid, number)
            # Signals of the same kind that arrive together count as one.
            await asyncio.sleep(_PACE_SECONDS)
        worker.wait()
        output = worker.output()
    assert keys.leases() == {}, output
    with programs.worker(tmp_path, str(settings.redis_url), settings.key_prefix, 2, (), **ENVIRONMENT):
        ended = [await wait_until_final(store, job) for job in jobs]
    await store.close()
    assert [(job.status, job.attempt) for job in ended] == [(JobStatus.SUCCEEDED, 1)] * len(jobs), output
    assert not re.search("Traceback|ERROR|CRITICAL", output), output


@pytest.mark.parametrize(
    "environment", [REMAPPED, {"BLOCKS_LOG": "1"}], ids=["TERM remapped", "TERM, and its log is not read"]
)
async def test_worker_ends_although_its_shutdown_waits_for_ever(
    environment: dict[str, str], settings: JobSettings, keys: Keys, tmp_path: Path
) -> None:
    """Before a supervisor kills it, and after its segments were released. Their leases would last ten minutes."""
    store = JobStore.connect(settings)
    job = (await store.submit_job(PrimesRequest(HANGING_COUNT), ANYONE)).job
    with worker_of("worker_that_does_not_stop", 1, tmp_path, settings, LEASE_SECONDS="600", **environment) as worker:
        wait_until(lambda: len(keys.leases()) == 1, explain=worker.output)
        worker.process.terminate()
        code = worker.wait()
        output = worker.output()
    assert (code, keys.leases()) == (0, {}), output
    assert ("Worker has not stopped 8 s after its signal. Exiting." in output) == ("BLOCKS_LOG" not in environment)
    with programs.worker(tmp_path, str(settings.redis_url), settings.key_prefix):
        ended = await wait_until_final(store, job)
    await store.close()
    assert (ended.status, ended.attempt) == (JobStatus.SUCCEEDED, 1)


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("environment", [{}, REMAPPED], ids=["TERM", "TERM remapped"])
async def test_worker_stops_quickly_although_a_message_to_a_task_is_underway(
    environment: dict[str, str], moment: str, settings: JobSettings, keys: Keys, tmp_path: Path
) -> None:
    """Its processes would wait for each other: for the other half, or until the last message is read."""
    store = JobStore.connect(settings)
    job = (await store.submit_job(PrimesRequest(10), ANYONE)).job
    with worker_of("worker_signalled_with_a_message", 1, tmp_path, settings, MOMENT=moment, **environment) as worker:
        code = worker.wait()
        output = worker.output()
    [ended] = await store.get_jobs([job.id], ANYONE)
    await store.close()
    assert code == 0, output
    assert not re.search("Worker has not stopped|Traceback|ERROR|CRITICAL", output), output
    assert ended is not None
    assert (ended.status, ended.attempt) == (JobStatus.SUCCEEDED, 1)
    # Celery puts the message back all the same: the next claim finds a completed segment.
    keys.drop_messages()


@contextmanager
def slow_worker(folder: Path, settings: JobSettings, **environment: str) -> Iterator[Program]:
    """A worker with one process for each job, ready to take messages."""
    with worker_of("worker_that_is_slow", len(SLOW_COUNTS), folder, settings, **environment) as worker:
        yield worker


@contextmanager
def worker_of(
    launcher: str, processes: int, folder: Path, settings: JobSettings, **environment: str
) -> Iterator[Program]:
    """A worker of one of tests.e2e.faults.launchers."""
    command = [sys.executable, "-m", f"tests.e2e.faults.launchers.{launcher}", "-A", "tasks", "worker"]
    options = ["--without-gossip", "--without-mingle", "--concurrency", str(processes), "--loglevel", "INFO"]
    environment |= {"REDIS_URL": str(settings.redis_url), "KEY_PREFIX": settings.key_prefix}
    with programs.running([*command, *options], folder, lambda: True, **environment) as worker:
        yield worker
