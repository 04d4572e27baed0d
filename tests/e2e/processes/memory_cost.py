"""Imported by a worker: each pool process writes at its start what memory costs it.

What a garbage collection copies with and without what was frozen, the collector's threshold, and the pages that the
kernel fills with zeros while segments are computed.
"""

from __future__ import annotations

import gc
import os
import resource
from pathlib import Path
from typing import Any

import psutil
from celery import signals

from tasks.engine import primes_from
from tasks.jobs import SEGMENT_PRIMES

FOLDER_VARIABLE = "MEMORY_COST_FOLDER"

SEGMENTS = 4


@signals.worker_process_init.connect(weak=False)
def _measure(**_: Any) -> None:
    before = _private_bytes()
    gc.collect()
    collected = _private_bytes()
    # Negative control: the same for everything that was inherited by the fork.
    gc.unfreeze()
    gc.collect()
    unfrozen = _private_bytes()
    faults = _faults_of_segments()
    file = Path(os.environ[FOLDER_VARIABLE], f"{os.getpid()}.new")
    file.write_text(f"{collected - before} {unfrozen - collected} {gc.get_threshold()[0]} {faults}", encoding="utf-8")
    file.rename(file.with_suffix(".cost"))


def _faults_of_segments() -> int:
    """Page faults while segments are computed, with two of them in memory at a time, as in a task."""
    held = [primes_from(2, SEGMENT_PRIMES) for _ in range(2)]
    started = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(SEGMENTS):
        del held[0]
        held.append(primes_from(2, SEGMENT_PRIMES))
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - started


def _private_bytes() -> int:
    return int(psutil.Process().memory_full_info().uss)
