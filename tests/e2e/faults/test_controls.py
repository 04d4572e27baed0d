"""Negative controls: with one safeguard disabled, the invariants must be violated.

Launchers in launchers/ or options of the server disable it: the product has no switch for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.faults.harness.scenarios import (
    kill_store,
    lose_messages,
    miss_events,
    resume_worker_after_lease_expiry,
    stall_worker,
)
from tests.e2e.faults.harness.system import Harness

if TYPE_CHECKING:
    from pathlib import Path

LAUNCHERS = "tests.e2e.faults.launchers"


async def test_without_fencing_a_final_state_changes(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        violations = await resume_worker_after_lease_expiry(harness, f"{LAUNCHERS}.worker_without_fencing")
    assert any("a subscriber received final state" in violation for violation in violations), violations


async def test_without_the_reconciler_lost_messages_are_not_sent_again(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        _, violations = await lose_messages(harness, 10, f"{LAUNCHERS}.worker_without_reconciler", 5)
    assert sum(violation.endswith("is QUEUED") for violation in violations) >= 9, violations


async def test_without_stall_detection_a_stalled_worker_never_recovers(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        violations = await stall_worker(harness, drain_seconds=20, WITHOUT_STALL_DETECTION="1")
    assert sum(violation.endswith("is QUEUED") for violation in violations) == 10, violations


async def test_without_the_append_only_file_acknowledged_jobs_are_lost(tmp_path: Path) -> None:
    with Harness(tmp_path, appendonly="no") as harness:
        violations = await kill_store(harness)
    assert sum("was acknowledged and does not exist" in violation for violation in violations) == 20, violations


async def test_without_resync_subscribers_miss_the_final_state(tmp_path: Path) -> None:
    with Harness(tmp_path) as harness:
        violations = await miss_events(harness, f"{LAUNCHERS}.api_without_resync", 3)
    assert sum("a subscriber received 0 final states" in violation for violation in violations) == 10, violations
