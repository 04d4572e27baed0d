"""Runs Celery with workers that take seconds in one stage of an attempt, which the value of count selects."""

from __future__ import annotations

import time
from typing import Any

from tasks.worker import attempt
from tasks.worker.job_recorder import JobRecorder

# Values of count by stage. The first two ask the store, the others do not.
CLAIMING, COMPLETING, COMPUTING, UPLOADING = 101, 102, 103, 20_000
SLOW_COUNTS = (CLAIMING, COMPLETING, COMPUTING, UPLOADING)

_SECONDS = 3

_claim, _complete = JobRecorder.claim_segment, JobRecorder.complete_and_claim_next
_compute, _store_file = attempt.compute, attempt.store_file


def _claim_slowly(self: JobRecorder, *arguments: Any) -> Any:
    claim = _claim(self, *arguments)
    if claim and claim.count == CLAIMING:
        time.sleep(_SECONDS)
    return claim


def _complete_slowly(self: JobRecorder, completions: Any, *arguments: Any) -> Any:
    if any(claim.count == COMPLETING for claim, *_ in completions):
        time.sleep(_SECONDS)
    return _complete(self, completions, *arguments)


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

    JobRecorder.claim_segment = _claim_slowly  # type: ignore[assignment, method-assign]
    JobRecorder.complete_and_claim_next = _complete_slowly  # type: ignore[assignment, method-assign]
    attempt.compute = _compute_slowly
    attempt.store_file = _store_file_slowly  # type: ignore[assignment]
    celery()


if __name__ == "__main__":
    main()
