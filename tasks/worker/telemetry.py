"""Telemetry of a worker: providers in each process that runs tasks, and their final flush when the process ends.

The main process of a prefork pool forks the others throughout its life, so it has no providers: each fork would copy
them with everything they have counted. Lost attempts, which only the main process finds, are exported by providers
that live for a moment.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
import threading
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any

from billiard.process import current_process
from celery import signals
from celery.apps import worker as celery_worker
from celery.exceptions import CPendingDeprecationWarning

from observability import telemetry
from observability.logs import LogSettings, TracedJsonFormatter, configure
from tasks.instrumentation import tracing
from tasks.settings.errors import read_or_exit

if TYPE_CHECKING:
    from observability.telemetry import Telemetry
    from tasks.storage.worker_scripts import Reconciliation

SERVICE = "primes-worker"

# In this pool, child processes run the tasks and each starts its own providers. In all others, the one process does.
_FORKING_POOL = "prefork"

_running: list[Telemetry] = []

# Set to the worker's node name before its first fork.
_worker_name = socket.gethostname()


def connect() -> None:
    """Start and stop telemetry with the worker's processes, and configure logging from the environment."""
    # generate_segment logs a line per task, with job and trace ids. Celery's own loggers still report failures.
    for name in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(name).setLevel(logging.WARNING)
    settings = read_or_exit(LogSettings)
    if settings.log_format == "json":
        # Celery does not configure logging when this signal has a receiver.
        signals.setup_logging.connect(_configure_logs, weak=False)
    elif "log_level" in settings.model_fields_set:
        signals.after_setup_logger.connect(_set_level, weak=False)
        signals.after_setup_task_logger.connect(_set_level, weak=False)
    # After Celery has added its own warning filters.
    signals.celeryd_after_setup.connect(_ignore_known_warning, weak=False)
    signals.worker_process_init.connect(_start, weak=False)
    # Not atexit: a pool's child process exits without running it.
    signals.worker_process_shutdown.connect(_stop, weak=False)
    signals.worker_init.connect(_set_name_and_start_unless_forking, weak=False)
    signals.worker_shutdown.connect(_stop, weak=False)


def _configure_logs(**_: Any) -> None:  # noqa: ANN401 - arguments of the signal
    configure(LogSettings())
    # Celery prints text when it is signalled.
    celery_worker.safe_say = _say  # type: ignore[attr-defined] # not in the stubs


def _say(text: str, *_: object) -> None:
    """Write a log line directly: the signal may have interrupted one that is being logged."""
    fields = {"name": "celery.worker", "levelname": "WARNING", "levelno": logging.WARNING, "msg": text.strip()}
    os.write(sys.stderr.fileno(), f"{TracedJsonFormatter().format(logging.makeLogRecord(fields))}\n".encode())


def _ignore_known_warning(**_: Any) -> None:  # noqa: ANN401 - arguments of the signal
    # At each lost connection Celery warns that a default will change, of a setting that tasks.celery sets.
    warnings.filterwarnings("ignore", r"\s*In Celery 5\.1 we introduced", CPendingDeprecationWarning)


def _set_level(logger: logging.Logger, **_: Any) -> None:  # noqa: ANN401 - arguments of the signal
    logger.setLevel(LogSettings().log_level)


def export_reconciliation(done: Reconciliation) -> None:
    """Export spans of lost attempts and ended jobs, in a thread: the caller runs on the consumer's loop."""
    if done.lost_attempts or done.ended_jobs:
        threading.Thread(target=partial(_export, done), name="telemetry of lost attempts", daemon=True).start()


def _export(done: Reconciliation) -> None:
    with telemetry.temporary_tracer(SERVICE) as tracer:
        if tracer is not None:
            for lost in done.lost_attempts:
                tracing.emit_lost_attempt_span(lost, tracer)
            for job in done.ended_jobs:
                tracing.emit_job_span(job, tracer)


def _start(**_: Any) -> None:  # noqa: ANN401 - arguments of the signal
    # The index in the pool identifies the process, so that a replacement continues the series of the one before.
    index = getattr(current_process(), "index", 0)
    _running.append(telemetry.start(SERVICE, f"{_worker_name}:{index}"))


def _set_name_and_start_unless_forking(sender: Any, **_: Any) -> None:  # noqa: ANN401 - a worker
    global _worker_name  # noqa: PLW0603 - one worker a process
    _worker_name = sender.hostname
    if _FORKING_POOL not in str(sender.pool_cls):
        _start()


def _stop(**_: Any) -> None:  # noqa: ANN401 - arguments of the signal
    while _running:
        _running.pop().shutdown()
