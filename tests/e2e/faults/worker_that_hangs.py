"""Celery, in whose workers one count never ends: its process goes on to tell that it lives, and does nothing else."""

from __future__ import annotations

import threading
from typing import Any

from tasks import engine

ENDLESS = 7_331

_primes_from = engine.primes_from


def _hanging(start: int, count: int) -> Any:
    if count == ENDLESS:
        threading.Event().wait()
    return _primes_from(start, count)


def main() -> None:
    """As `celery`, with what it was given on the command line."""
    from celery.__main__ import main as celery  # noqa: PLC0415 - after the patch

    engine.primes_from = _hanging
    celery()


if __name__ == "__main__":
    main()
