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
        wait_until(lambda: len(keys.leases()) == len(jobs), 20, worker.output)
        for number in signals:
            if worker.process.poll() is None:
                (os.killpg if is_group else os.kill)(worker.process.pid, number)
            # Signals of the same kind that arrive together count as one.
            await asyncio.sleep(_PACE_SECONDS)
        worker.process.wait(20)
        output = worker.output()
    assert keys.leases() == {}, output
    with programs.worker(tmp_path, str(settings.redis_url), settings.key_prefix, 2, (), **ENVIRONMENT):
        ended = [await wait_until_final(store, job) for job in jobs]
    await store.close()
    assert [(job.status, job.attempt) for job in ended] == [(JobStatus.SUCCEEDED, 1)] * len(jobs), output
    assert not re.search("Traceback|ERROR|CRITICAL", output), output


@contextmanager
def slow_worker(folder: Path, settings: JobSettings, **environment: str) -> Iterator[Program]:
    """A worker with one process for each job, ready to take messages."""
    command = [sys.executable, "-m", "tests.e2e.faults.launchers.worker_that_is_slow", "-A", "tasks", "worker"]
    options = ["--without-gossip", "--without-mingle", "--concurrency", str(len(SLOW_COUNTS)), "--loglevel", "INFO"]
    environment |= {"REDIS_URL": str(settings.redis_url), "KEY_PREFIX": settings.key_prefix}
    with programs.running([*command, *options], folder, lambda: True, **environment) as worker:
        yield worker
