"""Runs Celery with workers that take seconds in one stage of an attempt, which the value of count selects."""

from __future__ import annotations

import time
from typing import Any

from tasks.storage.worker_scripts import ClaimSegment, CompleteSegment
from tasks.worker import attempt
from tasks.worker.job_recorder import JobRecorder

# Values of count by stage. The first two ask the store, the others do not.
CLAIMING, COMPLETING, COMPUTING, UPLOADING = 101, 102, 103, 20_000
SLOW_COUNTS = (CLAIMING, COMPLETING, COMPUTING, UPLOADING)

_SECONDS = 3

_run, _compute, _store_file = JobRecorder._run, attempt.compute, attempt.store_file  # noqa: SLF001 - slowed down from outside


def _run_slowly(self: JobRecorder, script: Any) -> Any:
    if isinstance(script, CompleteSegment) and script.length == COMPLETING:
        time.sleep(_SECONDS)
    reply: Any = _run(self, script)
    if isinstance(script, ClaimSegment) and reply.claim and reply.claim.count == CLAIMING:
        time.sleep(_SECONDS)
    return reply


def _compute_slowly(claim: Any) -> Any:
    if claim.count == COMPUTING:
        time.sleep(_SECONDS)
    return _compute(claim)


def _store_file_slowly(*arguments: Any) -> None:
    time.sleep(_SECONDS)
    _store_file(*arguments)


def main() -> None:
    """Run `celery` with the command line of this program."""
    from celery.__main__ import main as celery  # noqa: PLC0415 - after the patches

    JobRecorder._run = _run_slowly  # type: ignore[method-assign] # noqa: SLF001 - as above
    attempt.compute = _compute_slowly
    attempt.store_file = _store_file_slowly  # type: ignore[assignment]
    celery()


if __name__ == "__main__":
    main()
