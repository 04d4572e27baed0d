"""The worker's health check, as the container engine runs it: a program with an exit code."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

from tasks.worker.job_recorder import JobRecorder
from tests import programs
from tests.programs import ROOT, free_port

if TYPE_CHECKING:
    from pathlib import Path

    import redis

    from tasks.settings import JobSettings

HERE = f"celery@{socket.gethostname()}"


def check(redis_url: object, prefix: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tasks.worker.healthcheck"],
        cwd=ROOT,
        env=os.environ | {"REDIS_URL": str(redis_url), "KEY_PREFIX": prefix},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_a_worker_of_this_machine_that_was_seen_is_alive(settings: JobSettings) -> None:
    JobRecorder.connect(settings).heartbeat(HERE, 2)
    answer = check(settings.redis_url, settings.key_prefix)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_a_worker_of_another_machine_does_not_count(settings: JobSettings) -> None:
    JobRecorder.connect(settings).heartbeat("celery@another", 2)
    answer = check(settings.redis_url, settings.key_prefix)
    assert answer.returncode == 1
    assert answer.stderr == f"No heartbeat from a worker on {socket.gethostname()} within 15 s\n"


def test_a_worker_that_has_been_silent_for_long_does_not_count(
    settings: JobSettings, redis_client: redis.Redis
) -> None:
    """Others on the same store keep the list alive, and with it the entry of one that is gone."""
    JobRecorder.connect(settings).heartbeat("celery@another", 2)
    seconds, _ = redis_client.time()
    redis_client.zadd(f"{settings.key_prefix}workers", {f"{HERE} 2": (seconds - 16) * 1000})
    assert check(settings.redis_url, settings.key_prefix).returncode == 1


def test_a_store_that_is_down_is_one_line_and_not_a_traceback() -> None:
    answer = check(f"redis://127.0.0.1:{free_port()}/0", "x:")
    assert answer.returncode == 1
    assert answer.stderr.startswith("Job store unavailable: ")
    assert answer.stderr.count("\n") == 1


def test_a_store_that_is_frozen_is_told_of_too(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server:
        server.freeze()
        answer = check(server.url, "x:")
        server.thaw()
    assert answer.returncode == 1
    assert answer.stderr.startswith("Job store unavailable: ")
