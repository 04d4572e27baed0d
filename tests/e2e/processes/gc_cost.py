"""Imported by a worker: each pool process writes at its start what a garbage collection costs, and its threshold."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any

import psutil
from celery import signals

FOLDER_VARIABLE = "GC_COST_FOLDER"


@signals.worker_process_init.connect(weak=False)
def _measure(**_: Any) -> None:
    before = _private_bytes()
    gc.collect()
    collected = _private_bytes()
    # Negative control: the same for everything that was inherited by the fork.
    gc.unfreeze()
    gc.collect()
    unfrozen = _private_bytes()
    file = Path(os.environ[FOLDER_VARIABLE], f"{os.getpid()}.new")
    file.write_text(f"{collected - before} {unfrozen - collected} {gc.get_threshold()[0]}", encoding="utf-8")
    file.rename(file.with_suffix(".cost"))


def _private_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)
