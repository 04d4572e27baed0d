"""Shutdown of a worker: segments that it has not completed go to other workers at once, and it ends in a fixed time."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

import redis
from celery import bootsteps, current_app
from celery.apps import worker as celery_worker
from celery.platforms import EX_OK
from celery.utils.log import get_logger
from celery.worker import state

from tasks.worker.job_recorder import JobRecorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from celery import Celery
    from celery.worker import WorkController

log = get_logger(__name__)

# Seconds from the first signal until unfinished segments are released and their processes terminated: in a cold
# shutdown (SIGQUIT, or SIGTERM with REMAP_SIGTERM=SIGQUIT), and in a warm one.
_COLD_SECONDS = 2.0
_WARM_SECONDS = 5.0

# Seconds from the first signal to the end of the main process, whatever it still waits for. Together with those to
# release its segments then, less than supervisors wait before they kill it.
_DEADLINE_SECONDS = 8.0
_RELEASE_SECONDS = 3.0

_STOP_SIGNALS = frozenset({signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP})


def connect(app: Celery) -> None:
    """Let each worker of an app end in a fixed time after the first signal."""
    app.steps["worker"].add(ShutdownStep)
    # Celery's callback would stop the pool in the signal handler, and wait there for processes to which the interrupted
    # event loop owes half a message. Without it, the loop ends first.
    for name in ("install_worker_term_handler", "install_worker_term_hard_handler"):
        setattr(celery_worker, name, partial(getattr(celery_worker, name), callback=None))


class ShutdownStep(bootsteps.StartStopStep):
    """Stops a worker in a fixed time."""

    requires = ("celery.worker.components:Pool",)

    def create(self, worker: WorkController) -> None:
        """Called before Celery handles any signal."""
        self._schedule = Schedule(worker)

    def start(self, worker: WorkController) -> None:
        """In a terminal, Celery leaves SIGHUP to the system, which would kill the worker."""
        del worker
        if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
            signal.signal(signal.SIGHUP, signal.getsignal(signal.SIGTERM))

    def close(self, worker: WorkController) -> None:
        """A shutdown begins, perhaps without a signal."""
        del worker
        self._schedule.begin()

    def stop(self, worker: WorkController) -> None:
        """Warm shutdown: Celery stops the pool next, and waits for its tasks."""

    def terminate(self, worker: WorkController) -> None:
        """Cold shutdown: the same. Celery would terminate tasks at once."""
        untyped: Any = worker
        untyped.pool.stop()


class Schedule:
    """Releases segments and ends the main process at fixed times after its first signal, whatever it is doing.

    Celery waits for tasks, processes and locks without a bound. The interpreter reports signals to this thread by a
    pipe, so that the main thread need not run for it.
    """

    def __init__(self, worker: Any) -> None:  # noqa: ANN401 - a WorkController, whose stubs lack most attributes
        self._worker = worker
        self._signals, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        # A forked process would report its own signals here.
        os.register_at_fork(after_in_child=partial(signal.set_wakeup_fd, -1))
        threading.Thread(target=self._run, name="shutdown", daemon=True).start()

    def begin(self) -> None:
        """The process ends in time, as after a signal."""
        os.write(self._writer, bytes([signal.SIGTERM]))

    def _run(self) -> None:
        while os.read(self._signals, 1)[0] not in _STOP_SIGNALS:
            pass
        time.sleep(_COLD_SECONDS)
        waited = _COLD_SECONDS
        if not state.should_terminate:
            time.sleep(_WARM_SECONDS - waited)
            waited = _WARM_SECONDS
        _start(self._release_and_terminate)
        time.sleep(_DEADLINE_SECONDS - waited)
        _start(self._release_and_report).join(_RELEASE_SECONDS)
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        os._exit(EX_OK)

    def _release_and_terminate(self) -> None:
        """Release first: the processes may take a while to notice."""
        release_segments(self._worker.hostname)
        for process in self._processes():
            process.terminate_controlled()

    def _release_and_report(self) -> None:
        release_segments(self._worker.hostname)
        log.warning("Worker has not stopped %g s after its signal. Exiting.", _DEADLINE_SECONDS)

    def _processes(self) -> tuple[Any, ...]:
        """Those of the pool. A pool of threads has none: its tasks run to their end, and their writes are refused."""
        return tuple(getattr(getattr(self._worker.pool, "_pool", None), "_pool", ()))


def _start(target: Callable[[], None]) -> threading.Thread:
    """Run a function that may block: the store may not answer, or the log not be read."""
    thread = threading.Thread(target=target, name="release of segments", daemon=True)
    thread.start()
    return thread


def release_segments(worker: str) -> None:
    """Release all segments that a worker has claimed. Gives up at once if the job store is unavailable."""
    try:
        released = JobRecorder.connect(current_app.conf.job_settings, retries=0).release_segments(worker)
    except redis.RedisError as error:
        log.warning("Segments not released, job store unavailable; their leases will expire: %s", error)
    else:
        if released:
            log.info("Shutdown: %d segments released to other workers", released)
