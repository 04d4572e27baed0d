"""A search of histories that is ended from outside leaves nothing behind."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests import programs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def _processes(folder: Path) -> list[psutil.Process]:
    """Processes whose temporary folder is this one, and servers that run in it: they overwrite their environment."""
    found = []
    for process in psutil.process_iter():
        try:
            is_here = process.environ().get("TMPDIR") == str(folder) or folder in Path(process.cwd()).parents
            if is_here and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            continue
    return found


def _is_server(process: psutil.Process) -> bool:
    try:
        return process.name() == "valkey-server"
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with a short path: that of a Unix socket in it has at most 107 characters."""
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        yield Path(name)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_processes_and_servers_end_with_the_search(number: signal.Signals, folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.simulation", "--histories", "1000000"]
    search = programs.start(command, tmp_path, {"TMPDIR": str(folder)})
    try:
        wait_until(lambda: any(_is_server(process) for process in _processes(folder)), 150, search.output)
        search.send(number)
        search.process.wait(30)
        wait_until(lambda: not _processes(folder), 30, lambda: str(_processes(folder)))
        if number is not signal.SIGKILL:
            assert list(folder.iterdir()) == []
    finally:
        for process in _processes(folder):
            process.kill()
        search.process.wait()
