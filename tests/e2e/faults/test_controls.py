"""Negative controls: with one safeguard switched off, the verdict must find the harm.

What switches it off is a launcher in this folder, or an option of the server's: the product has no switch for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.faults.harness.scenarios import (
    a_worker_stalls,
    a_zombie_writes,
    events_are_missed,
    messages_are_lost,
    the_store_is_killed,
)
from tests.e2e.faults.harness.system import Harness

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHERS = "tests.e2e.faults.launchers"


async def test_without_fencing_a_final_state_moves(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        wrong = await a_zombie_writes(harness, f"{LAUNCHERS}.worker_without_fencing")
    assert any("was told to have ended as" in flaw for flaw in wrong), wrong


async def test_without_the_reconciler_lost_messages_stay_lost(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        _, wrong = await messages_are_lost(harness, 10, f"{LAUNCHERS}.worker_without_reconciler", 5)
    assert sum(flaw.endswith("is QUEUED") for flaw in wrong) >= 9, wrong


async def test_without_noticing_a_deaf_worker_stays_deaf(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        wrong = await a_worker_stalls(harness, within=20, WITHOUT_STALL_DETECTION="1")
    assert sum(flaw.endswith("is QUEUED") for flaw in wrong) >= 9, wrong


async def test_without_the_append_only_file_acknowledged_jobs_are_unknown(tmp_path: Path) -> None:
    with Harness(tmp_path, appendonly="no") as harness:
        wrong = await the_store_is_killed(harness)
    assert sum("was acknowledged and is unknown" in flaw for flaw in wrong) == 20, wrong


async def test_without_reading_again_subscribers_miss_the_end(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        wrong = await events_are_missed(harness, f"{LAUNCHERS}.api_without_resync", 3)
    assert sum("a subscriber was told of 0 ends" in flaw for flaw in wrong) == 10, wrong
