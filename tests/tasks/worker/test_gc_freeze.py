"""The pages that a worker's processes got by the fork stay shared, whatever the garbage collector does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests import programs
from tests.tasks.worker.collecting import FOLDER
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey

PROCESSES = 2

MEBIBYTE = 2**20


def test_a_round_of_the_collector_copies_nothing_that_was_forked(valkey: Valkey, tmp_path: Path) -> None:
    def received() -> list[Path]:
        return sorted(tmp_path.glob("*.cost"))

    more = ["--include", "tests.tasks.worker.collecting"]
    environment = {FOLDER: str(tmp_path)}
    with programs.worker(tmp_path, valkey.url, "forking:", PROCESSES, more, **environment):
        wait_until(lambda: len(received()) == PROCESSES, 15, lambda: str(received()))
    for file in received():
        frozen, unfrozen = (int(cost) for cost in file.read_text(encoding="utf-8").split())
        assert frozen < 2 * MEBIBYTE, (frozen, unfrozen)
        # Without it, a process would pay several times as much.
        assert unfrozen > 3 * max(frozen, MEBIBYTE), (frozen, unfrozen)
