"""Runs Celery with workers that one value of count kills with SIGKILL."""

from __future__ import annotations

import os
import signal
from typing import Any

from tasks import engine

CRASHING_COUNT = 6_661

_primes_from = engine.primes_from


def _primes_or_crash(start: int, count: int) -> Any:
    if count == CRASHING_COUNT:
        os.kill(os.getpid(), signal.SIGKILL)
    return _primes_from(start, count)


def main() -> None:
    """Run `celery` with the command line of this program."""
    from celery.__main__ import main as celery  # noqa: PLC0415 - after the patch

    engine.primes_from = _primes_or_crash
    celery()


if __name__ == "__main__":
    main()
