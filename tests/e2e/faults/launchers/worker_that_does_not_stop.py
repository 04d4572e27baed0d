"""Runs Celery with a worker whose main process waits for ever when it stops its pool.

With BLOCKS_LOG in its environment it holds the locks of all log handlers meanwhile, as if its log were not read.
"""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from celery.concurrency.prefork import TaskPool

from tests.e2e.faults.launchers import worker_that_hangs


def _wait(self: TaskPool, *_: Any) -> None:
    del self
    if "BLOCKS_LOG" in os.environ:
        for handler in logging.getLogger().handlers:
            handler.acquire()
    threading.Event().wait()


if __name__ == "__main__":
    TaskPool.on_stop = _wait  # type: ignore[method-assign]
    TaskPool.on_terminate = _wait  # type: ignore[method-assign]
    worker_that_hangs.main()
