"""The worker's health check: an exit code and a line on stderr. Tests of the image run it as a command."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tasks.worker import healthcheck
from tasks.worker.job_recorder import JobRecorder
from tests import programs
from tests.programs import free_port

if TYPE_CHECKING:
    from pathlib import Path

    import redis

    from tasks.settings import JobSettings
    from tests.programs import Valkey

LOCAL_WORKER = f"celery@{socket.gethostname()}"


@dataclass(frozen=True, slots=True)
class Check:
    monkeypatch: pytest.MonkeyPatch
    capsys: pytest.CaptureFixture[str]

    def __call__(self, redis_url: object, prefix: str) -> tuple[int, str]:
        """Exit code and standard error."""
        self.monkeypatch.setenv("REDIS_URL", str(redis_url))
        self.monkeypatch.setenv("KEY_PREFIX", prefix)
        return healthcheck.main(), self.capsys.readouterr().err


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    return Check(monkeypatch, capsys)


def test_recent_heartbeat_on_this_host_is_healthy(settings: JobSettings, check: Check) -> None:
    JobRecorder.connect(settings).heartbeat(LOCAL_WORKER, 2)
    assert check(settings.redis_url, settings.key_prefix) == (0, "")


def test_heartbeat_from_another_host_is_ignored(settings: JobSettings, check: Check) -> None:
    JobRecorder.connect(settings).heartbeat("celery@another", 2)
    code, error = check(settings.redis_url, settings.key_prefix)
    assert code == 1
    assert error == f"No heartbeat from a worker on {socket.gethostname()} within 15 s\n"


def test_expired_heartbeat_is_ignored(settings: JobSettings, redis_client: redis.Redis, check: Check) -> None:
    """Workers on other hosts renew the time-to-live of the list, so it still contains the entry of a dead one."""
    JobRecorder.connect(settings).heartbeat("celery@another", 2)
    seconds, _ = redis_client.time()
    redis_client.zadd(f"{settings.key_prefix}workers", {f"{LOCAL_WORKER} 2": (seconds - 16) * 1000})
    code, _ = check(settings.redis_url, settings.key_prefix)
    assert code == 1


def test_unreachable_store_is_reported_in_one_line(check: Check) -> None:
    code, error = check(f"redis://127.0.0.1:{free_port()}/0", "x:")
    assert code == 1
    assert error.startswith("Job store unavailable: ")
    assert error.count("\n") == 1


def test_frozen_store_is_reported(tmp_path: Path, check: Check) -> None:
    with programs.valkey(tmp_path) as server:
        server.freeze()
        code, error = check(server.url, "x:")
        server.thaw()
    assert code == 1
    assert error.startswith("Job store unavailable: ")


def test_store_that_refuses_is_not_called_unavailable(redis_client: redis.Redis, valkey: Valkey, check: Check) -> None:
    redis_client.acl_setuser("other", enabled=True, nopass=True, keys=["other:*"], commands=["+@all"])
    code, error = check(valkey.url.replace("//", "//other:x@"), "x:")
    redis_client.acl_deluser("other")
    assert code == 1
    assert error.startswith("Job store refused the request: ")
