"""Memory that a worker's processes inherit stays shared after a garbage collection, and what they free is reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import programs
from tests.e2e.processes.memory_cost import FOLDER_VARIABLE
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey

PROCESSES = 2

MEBIBYTE = 2**20


def test_inherited_memory_stays_shared_and_freed_memory_is_reused(valkey: Valkey, tmp_path: Path) -> None:
    def measurements() -> list[Path]:
        return sorted(tmp_path.glob("*.cost"))

    arguments = ["--include", "tests.e2e.processes.memory_cost"]
    environment = {FOLDER_VARIABLE: str(tmp_path)}
    with programs.worker(tmp_path, valkey.url, "forking:", PROCESSES, arguments, **environment):
        wait_until(lambda: len(measurements()) == PROCESSES, explain=lambda: str(measurements()))
    for file in measurements():
        frozen, unfrozen, threshold, faults = (int(number) for number in file.read_text(encoding="utf-8").split())
        assert frozen < 2 * MEBIBYTE, (frozen, unfrozen)
        # Without the freeze, a process would pay several times as much.
        assert unfrozen > 3 * max(frozen, MEBIBYTE), (frozen, unfrozen)
        assert threshold == 10_000
        # Without `keep_freed_memory`, one for each of the 2,048 pages of a segment.
        assert faults < 2048
