"""Segments are released before their processes are terminated, in every pool."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from celery.apps import worker as celery_worker

from tasks.celery import app
from tasks.worker import shutdown
from tasks.worker.shutdown import Schedule, ShutdownStep


@pytest.mark.parametrize("processes", [0, 2])
def test_segments_are_released_before_processes_are_terminated(monkeypatch: pytest.MonkeyPatch, processes: int) -> None:
    """A pool of threads has no processes."""
    calls: list[str] = []
    monkeypatch.setattr(shutdown, "release_segments", calls.append)
    process = SimpleNamespace(terminate_controlled=lambda: calls.append("terminate"))
    pool: Any = SimpleNamespace(_pool=SimpleNamespace(_pool=[process] * processes)) if processes else SimpleNamespace()
    schedule = Schedule.__new__(Schedule)
    schedule._worker = SimpleNamespace(hostname="celery@here", pool=pool)  # noqa: SLF001 - without its thread
    schedule._release_and_terminate()  # noqa: SLF001 - as above
    assert calls == ["celery@here"] + ["terminate"] * processes


def test_signal_handlers_of_celery_stop_nothing_themselves() -> None:
    assert ShutdownStep in app.steps["worker"]
    for install in (celery_worker.install_worker_term_handler, celery_worker.install_worker_term_hard_handler):  # type: ignore[attr-defined] # not in the stubs
        assert install.keywords["callback"] is None
