"""A process of the pool that runs tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tasks.worker import attempt, large_batch, small_batch
from tasks.worker.lease import LeaseExtender
from tests.tasks.worker.batches import Files

if TYPE_CHECKING:
    from tasks.worker.job_recorder import JobRecorder


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, recorder: JobRecorder) -> None:
    """This process, as a pool's process that runs tasks."""
    extender = LeaseExtender(recorder)
    monkeypatch.setattr(attempt, "writer", Files)
    for module in (attempt, large_batch, small_batch):
        monkeypatch.setattr(module, "recorder", lambda: recorder)
    monkeypatch.setattr(attempt, "lease_extender", lambda: extender)
