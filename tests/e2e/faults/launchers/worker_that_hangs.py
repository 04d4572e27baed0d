"""Runs Celery with workers that never complete one value of count and keep extending its lease."""

from __future__ import annotations

import threading
from typing import Any

from tasks import engine

HANGING_COUNT = 7_331

_primes_from = engine.primes_from


def _primes_or_hang(start: int, count: int) -> Any:
    if count == HANGING_COUNT:
        threading.Event().wait()
    return _primes_from(start, count)


def main() -> None:
    """Run `celery` with the command line of this program."""
    from celery.__main__ import main as celery  # noqa: PLC0415 - after the patch

    engine.primes_from = _primes_or_hang
    celery()


if __name__ == "__main__":
    main()
