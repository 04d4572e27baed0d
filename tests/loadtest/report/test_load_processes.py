"""Which processes of a load test have delivered all their figures."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from loadtest.report.load_processes import LoadProcesses

if TYPE_CHECKING:
    from collections.abc import Callable

BUSY = {"user_count": 3, "stats": [{"name": "a request"}]}
IDLE = {"user_count": 0, "stats": []}


def complete_run() -> LoadProcesses:
    processes = LoadProcesses(2)
    for name in ("a", "b"):
        processes.on_connect(name)
        processes.on_report(name, IDLE)
        processes.on_report(name, BUSY)
    return processes


def test_processes_that_report_after_their_last_user_are_complete() -> None:
    processes, ended_at = complete_run(), time.perf_counter()
    assert not processes.all_reported(ended_at)
    for name in ("a", "b"):
        processes.on_report(name, BUSY | {"user_count": 0})
    assert processes.all_reported(ended_at)
    assert (processes.complete(ended_at), processes.expected) == (2, 2)


def never_reports_again(processes: LoadProcesses) -> None:
    del processes


def reports_that_users_still_run(processes: LoadProcesses) -> None:
    processes.on_report("b", BUSY)


@pytest.mark.parametrize("behave", [never_reports_again, reports_that_users_still_run])
def test_process_that_is_missing_is_not_complete(behave: Callable[[LoadProcesses], None]) -> None:
    processes, ended_at = complete_run(), time.perf_counter()
    processes.on_report("a", IDLE)
    behave(processes)
    assert (processes.complete(ended_at), processes.expected) == (1, 2)


def test_process_that_never_connected_is_not_complete() -> None:
    processes = LoadProcesses(2)
    processes.on_connect("a")
    assert (processes.complete(None), processes.expected) == (1, 2)


def test_process_whose_users_measured_nothing_is_not_complete() -> None:
    processes, ended_at = LoadProcesses(2), time.perf_counter()
    for name in ("a", "b"):
        processes.on_connect(name)
        processes.on_report(name, BUSY if name == "a" else BUSY | {"stats": []})
        processes.on_report(name, IDLE)
    assert (processes.complete(ended_at), processes.expected) == (1, 2)


def test_process_without_users_is_complete() -> None:
    """With fewer users than processes."""
    processes, ended_at = LoadProcesses(1), time.perf_counter()
    processes.on_connect("a")
    processes.on_report("a", IDLE)
    assert processes.complete(ended_at) == 1
