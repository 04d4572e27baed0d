"""Runs Celery with a worker whose main process waits for ever when it stops its pool."""

from __future__ import annotations

import threading
from typing import Any

from celery.concurrency.prefork import TaskPool

from tests.e2e.faults.launchers import worker_that_hangs


def _wait(self: TaskPool, *_: Any) -> None:
    del self
    threading.Event().wait()


if __name__ == "__main__":
    TaskPool.on_stop = _wait  # type: ignore[method-assign]
    TaskPool.on_terminate = _wait  # type: ignore[method-assign]
    worker_that_hangs.main()
