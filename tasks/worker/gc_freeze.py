"""Keeps memory shared between a worker's processes: excludes what exists before the fork from garbage collection.

The collector writes to every object that it visits, and so to the object's page. Its first full collection in a forked
process would copy all pages inherited from the parent, and so would one in the parent.
"""

from __future__ import annotations

import gc
from typing import Any

from celery import signals

# Objects that one collection of the youngest generation visits, and collections until the next older generation is
# visited too. By default 700, 10 and 10.
_THRESHOLDS = (10_000, 10, 10)


def connect() -> None:
    """Freeze modules and settings, which are never freed, before the first fork. Collect less often from then on."""
    signals.worker_before_create_process.connect(_freeze, weak=False)


def _freeze(**_: Any) -> None:  # noqa: ANN401 - arguments of the signal
    # Not at later forks: objects in use then may become garbage, and frozen garbage is never freed.
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*_THRESHOLDS)
