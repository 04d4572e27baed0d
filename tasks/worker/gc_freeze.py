"""What a worker's processes share: the pages that the first of them had when it forked the others.

The garbage collector writes into each object that it looks at, and with it into the page: its first full round in a
forked process would make that process a copy of its own of all it got, and so would one in its parent.
"""

from __future__ import annotations

import gc
from typing import Any

from celery import signals


def connect() -> None:
    """Keep the collector from what there is before the first fork: modules and settings, which stay for good."""
    signals.worker_before_create_process.connect(_freeze, weak=False)


def _freeze(**_: Any) -> None:  # noqa: ANN401 - signals pass what they like
    # Not at later forks: what is in use then may become garbage, and would never be found.
    if gc.get_freeze_count() == 0:
        gc.collect()
        gc.freeze()
