"""The heartbeat of a worker during an outage and during its shutdown."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tasks.worker.heartbeat import HeartbeatStep

if TYPE_CHECKING:
    from tasks.settings import JobSettings


class Recorder:
    """Fails with an error, if it has one."""

    error: redis.RedisError | None = redis.ConnectionError("refused")

    def heartbeat(self, *_: Any) -> int:
        if self.error:
            raise self.error
        return 0

    def reconcile(self) -> Any:
        self.heartbeat()
        return SimpleNamespace(resent_segments=0, ended_jobs=())


def consumer(*, active: bool = True) -> Any:
    """With a pool that has no processes any more when it is not active."""
    pool = SimpleNamespace(active=True, num_processes=2) if active else SimpleNamespace(active=False)
    return SimpleNamespace(hostname="celery@here", pool=pool)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def step(settings: JobSettings, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(HeartbeatStep, "settings", settings, raising=False)
    step: Any = HeartbeatStep(consumer())
    step._recorder = recorder  # noqa: SLF001 - in place of the store
    return step


def beat(step: Any) -> None:
    step._send_heartbeat(consumer())  # noqa: SLF001 - as its timers call
    for _ in range(5):
        step._reconcile()  # noqa: SLF001 - as its timers call


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    caplog.clear()
    return found


def test_outage_is_reported_once_and_then_once_a_minute(
    step: Any, recorder: Recorder, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        beat(step)
    assert warnings(caplog) == ["Heartbeat failed, the job store is unavailable: refused"]
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    beat(step)
    assert len(warnings(caplog)) == 1
    recorder.error = None
    beat(step)
    recorder.error = redis.ConnectionError("again")
    beat(step)
    assert warnings(caplog) == ["Heartbeat failed, the job store is unavailable: again"]


def test_store_that_refuses_is_not_called_unavailable(
    step: Any, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    recorder.error = redis.exceptions.NoPermissionError("no permissions to run 'evalsha'")
    beat(step)
    [text] = warnings(caplog)
    assert text.startswith("Heartbeat failed, the job store refused it: no permissions")


def test_worker_whose_pool_has_ended_has_no_heartbeat(step: Any, caplog: pytest.LogCaptureFixture) -> None:
    step._send_heartbeat(consumer(active=False))  # noqa: SLF001 - as its timer calls
    assert warnings(caplog) == []
