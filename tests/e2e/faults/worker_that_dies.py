"""Celery, in whose workers one count is poison: whoever computes it is dead at once, without a word."""

from __future__ import annotations

import os
import signal
from typing import Any

from tasks import engine

POISON = 6_661

_primes_from = engine.primes_from


def _dying(start: int, count: int) -> Any:
    if count == POISON:
        os.kill(os.getpid(), signal.SIGKILL)
    return _primes_from(start, count)


def main() -> None:
    """As `celery`, with what it was given on the command line."""
    from celery.__main__ import main as celery  # noqa: PLC0415 - after the patch

    engine.primes_from = _dying
    celery()


if __name__ == "__main__":
    main()
