"""A worker's telemetry: providers in each process that runs tasks, and their last words when it ends.

A worker's first process forks the others, and goes on forking: it may not have providers of its own, which would be
copied with all they have counted. What only it knows, of attempts that were lost, it tells by spans, briefly.
"""

from __future__ import annotations

import logging
import socket
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from billiard.process import current_process
from celery import signals
from celery.exceptions import CPendingDeprecationWarning

from observability import telemetry
from observability.logs import LogSettings, configure
from tasks.instrumentation import tracing

if TYPE_CHECKING:
    from observability.telemetry import Telemetry
    from tasks.worker.job_recorder import Reconciled

SERVICE = "primes-worker"

# A pool that forks says so in each of its children; of the others, the worker's one process runs the tasks.
_POOLS_THAT_FORK = "prefork"

_running: list[Telemetry] = []

# The worker's own name, known before its first fork.
_worker_name = socket.gethostname()


def connect() -> None:
    """Start and stop with the worker's processes, and log as the environment says."""
    # Our own line for each task has the ids of its job and trace. Of failures, Celery still tells.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = LogSettings()
    if settings.log_format == "json":
        # Where somebody listens to this, Celery leaves logging alone.
        signals.setup_logging.connect(_configure_logs, weak=False)
    elif "log_level" in settings.model_fields_set:
        signals.after_setup_logger.connect(_set_level, weak=False)
        signals.after_setup_task_logger.connect(_set_level, weak=False)
    # After Celery has asked for all of its own.
    signals.celeryd_after_setup.connect(_leave_out_known_warning, weak=False)
    signals.worker_process_init.connect(_start, weak=False)
    # Not atexit: a child of the pool leaves without it.
    signals.worker_process_shutdown.connect(_stop, weak=False)
    signals.worker_init.connect(_name_and_start_where_nothing_forks, weak=False)
    signals.worker_shutdown.connect(_stop, weak=False)


def _configure_logs(**_: Any) -> None:  # noqa: ANN401 - signals pass what they like
    configure(LogSettings())


def _leave_out_known_warning(**_: Any) -> None:  # noqa: ANN401 - likewise
    # At each lost connection Celery warns of another default to come, of a setting that tasks.celery gives.
    warnings.filterwarnings("ignore", r"\s*In Celery 5\.1 we introduced", CPendingDeprecationWarning)


def _set_level(logger: logging.Logger, **_: Any) -> None:  # noqa: ANN401 - likewise
    logger.setLevel(LogSettings().log_level)


def tell(done: Reconciled) -> None:
    """Send the spans of what the reconciler found: aside, since its loop is the consumer's own."""
    if done.lost or done.ended:
        threading.Thread(target=partial(_tell, done), name="telemetry of lost attempts", daemon=True).start()


def _tell(done: Reconciled) -> None:
    with telemetry.briefly(SERVICE) as tracer:
        if tracer is not None:
            for lost in done.lost:
                tracing.emit_lost_attempt_span(lost, tracer)
            for job in done.ended:
                tracing.emit_job_span(job, tracer)


def _start(**_: Any) -> None:  # noqa: ANN401 - signals pass what they like
    # By its place in the pool, so that a process that replaces another continues its series.
    index = getattr(current_process(), "index", 0)
    _running.append(telemetry.start(SERVICE, f"{_worker_name}:{index}"))


def _name_and_start_where_nothing_forks(sender: Any, **_: Any) -> None:  # noqa: ANN401 - a worker
    global _worker_name  # noqa: PLW0603 - one worker a process
    _worker_name = sender.hostname
    if _POOLS_THAT_FORK not in str(sender.pool_cls):
        _start()


def _stop(**_: Any) -> None:  # noqa: ANN401 - likewise
    while _running:
        _running.pop().shutdown()
