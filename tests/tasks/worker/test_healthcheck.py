"""The worker's health check as a container engine runs it: a command with an exit code and a line on stderr."""

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

LOCAL_WORKER = f"celery@{socket.gethostname()}"


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


def test_recent_heartbeat_on_this_host_is_healthy(settings: JobSettings) -> None:
    JobRecorder.connect(settings).heartbeat(LOCAL_WORKER, 2)
    result = check(settings.redis_url, settings.key_prefix)
    assert (result.returncode, result.stderr) == (0, "")


def test_heartbeat_from_another_host_is_ignored(settings: JobSettings) -> None:
    JobRecorder.connect(settings).heartbeat("celery@another", 2)
    result = check(settings.redis_url, settings.key_prefix)
    assert result.returncode == 1
    assert result.stderr == f"No heartbeat from a worker on {socket.gethostname()} within 15 s\n"


def test_expired_heartbeat_is_ignored(settings: JobSettings, redis_client: redis.Redis) -> None:
    """Workers on other hosts renew the time-to-live of the list, so it still contains the entry of a dead one."""
    JobRecorder.connect(settings).heartbeat("celery@another", 2)
    seconds, _ = redis_client.time()
    redis_client.zadd(f"{settings.key_prefix}workers", {f"{LOCAL_WORKER} 2": (seconds - 16) * 1000})
    assert check(settings.redis_url, settings.key_prefix).returncode == 1


def test_unreachable_store_is_reported_in_one_line() -> None:
    result = check(f"redis://127.0.0.1:{free_port()}/0", "x:")
    assert result.returncode == 1
    assert result.stderr.startswith("Job store unavailable: ")
    assert result.stderr.count("\n") == 1


def test_frozen_store_is_reported(tmp_path: Path) -> None:
    with programs.valkey(tmp_path) as server:
        server.freeze()
        result = check(server.url, "x:")
        server.thaw()
    assert result.returncode == 1
    assert result.stderr.startswith("Job store unavailable: ")
