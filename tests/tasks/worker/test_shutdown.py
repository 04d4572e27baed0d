"""Segments are released before tasks are cancelled, in every pool."""

from __future__ import annotations

from typing import Any

import pytest
from celery.worker.consumer import Consumer

from tasks.worker import shutdown
from tasks.worker.shutdown import ReleasingConsumer


@pytest.mark.parametrize("error", [None, NotImplementedError()], ids=["forks", "threads"])
def test_segments_are_released_before_tasks_are_cancelled(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    """A pool of threads cannot cancel its tasks, which is no error."""
    calls: list[str] = []

    def cancel(_: Any) -> None:
        calls.append("cancel")
        if error:
            raise error

    monkeypatch.setattr(Consumer, "cancel_active_requests", cancel, raising=False)
    monkeypatch.setattr(shutdown, "release_segments", calls.append)
    consumer = ReleasingConsumer.__new__(ReleasingConsumer)
    consumer.hostname = "celery@here"
    consumer.cancel_active_requests()
    assert calls == ["celery@here", "cancel"]
