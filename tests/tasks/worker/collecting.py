"""For a worker to import: each process of its pool tells, as it begins, what rounds of the collector cost it."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import psutil
from celery import signals

FOLDER = "COLLECTED_FOLDER"


@signals.worker_process_init.connect(weak=False)
def _collect(**_: Any) -> None:
    before = _own_bytes()
    gc.collect()
    collected = _own_bytes()
    # The control: the same with everything that was forked.
    gc.unfreeze()
    gc.collect()
    unfrozen = _own_bytes()
    file = Path(os.environ[FOLDER], f"{os.getpid()}.new")
    file.write_text(f"{collected - before} {unfrozen - collected}", encoding="utf-8")
    file.rename(file.with_suffix(".cost"))


def _own_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)
