"""Shutdown of a worker: segments that it has not completed go to other workers at once."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import redis
from celery import bootsteps, current_app
from celery.apps import worker as celery_worker
from celery.platforms import EX_OK
from celery.utils.log import get_logger
from celery.worker.consumer import Consumer

from tasks.worker.job_recorder import JobRecorder

if TYPE_CHECKING:
    from celery import Celery
    from celery.worker import WorkController

log = get_logger(__name__)

# Seconds from the signal of a cold shutdown to the end of the main process, whatever Celery still waits for: less than
# supervisors wait before they kill it.
_DEADLINE_SECONDS = 8.0


def connect(app: Celery) -> None:
    """Let each worker of an app release its segments when it is terminated."""
    app.conf.worker_consumer = ReleasingConsumer
    app.steps["worker"].add(ReleaseSegmentsStep)
    # Celery's own raises an exception wherever the shutdown is, which would then release nothing.
    celery_worker.on_hard_shutdown = kill_pool  # type: ignore[attr-defined] # not in the stubs


class ReleasingConsumer(Consumer):
    """Releases segments before their tasks are cancelled: their processes may take a while to notice."""

    def cancel_active_requests(self) -> None:
        """Called when the time of running tasks is over, and again for each further signal."""
        release_segments(self.hostname)
        # A pool of threads cannot end its tasks: they run to their end, and their writes are refused.
        with suppress(NotImplementedError):
            super().cancel_active_requests()


class ReleaseSegmentsStep(bootsteps.StartStopStep):
    """Releases a worker's segments when it is terminated before its tasks finish, so that no lease has to expire."""

    requires = ("celery.worker.components:Pool",)

    def start(self, worker: WorkController) -> None:
        """Nothing is claimed yet. In a terminal, Celery leaves SIGHUP to the system, which would kill the worker."""
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))
        # Not in the stubs.
        untyped: Any = worker
        wait = untyped.wait_for_soft_shutdown

        def wait_for_soft_shutdown() -> None:
            """The first thing that Celery does in a cold shutdown."""
            threading.Thread(target=_end_at_deadline, args=(worker,), name="shutdown deadline", daemon=True).start()
            wait()

        untyped.wait_for_soft_shutdown = wait_for_soft_shutdown

    def stop(self, worker: WorkController) -> None:
        """Warm shutdown: the tasks finish first, so nothing is left to release."""

    def terminate(self, worker: WorkController) -> None:
        """Cold shutdown: the pool's processes may still write until they are killed, but are fenced from now on."""
        release_segments(worker.hostname)  # type: ignore[attr-defined] # not in the stubs


def _end_at_deadline(worker: WorkController) -> None:
    """End the main process if Celery has not: its shutdown joins processes that may not end."""
    time.sleep(_DEADLINE_SECONDS)
    log.warning("Worker has not stopped %g s after its signal. Exiting.", _DEADLINE_SECONDS)
    release_segments(worker.hostname)  # type: ignore[attr-defined] # not in the stubs
    kill_pool(worker)
    # Nothing is lost: what its tasks computed was handed back.
    os._exit(EX_OK)


def release_segments(worker: str) -> None:
    """Release all segments that a worker has claimed. Gives up at once if the job store is unavailable."""
    try:
        released = JobRecorder.connect(current_app.conf.job_settings, retries=0).release_segments(worker)
    except redis.RedisError as error:
        log.warning("Segments not released, job store unavailable; their leases will expire: %s", error)
    else:
        if released:
            log.info("Shutdown: %d segments released to other workers", released)


def kill_pool(worker: WorkController) -> None:
    """The last of repeated signals: do not wait for the pool's processes. They have no segments any more."""
    for process in getattr(getattr(worker.pool, "_pool", None), "_pool", ()):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
