"""The commands in docs/development.md that start Valkey, a worker and the API separately."""

from __future__ import annotations

import os
import re
import signal
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from tests import programs
from tests.programs import free_port
from tests.test_documentation import BY_HAND
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_processes_started_separately_make_a_ready_system(tmp_path: Path) -> None:
    store, api = free_port(), free_port()
    changes = {"6379": str(store), "8000": str(api), ".data/by-hand": str(tmp_path / "data")}
    with ExitStack() as stack:
        assert len(BY_HAND) == 3
        for block in BY_HAND:
            command = re.sub("|".join(map(re.escape, changes)), lambda found: changes[found[0]], block.text)
            stack.enter_context(in_a_terminal(command, tmp_path))
        wait_until(lambda: is_ready(f"http://127.0.0.1:{api}/readyz"))


@contextmanager
def in_a_terminal(command: str, folder: Path) -> Iterator[None]:
    """Run a command with the activated environment and Valkey on the path, until the block ends."""
    folders = [str(Path(sys.executable).parent), str(Path(programs.valkey_server()).parent), os.environ["PATH"]]
    program = programs.start(["sh", "-c", command], folder, {"PATH": os.pathsep.join(folders)})
    try:
        yield
    finally:
        os.killpg(program.process.pid, signal.SIGTERM)
        program.wait()


def is_ready(url: str) -> bool:
    try:
        checks: dict[str, dict[str, Any]] = httpx.get(url, timeout=5).json()["checks"]
    except httpx.TransportError:
        return False
    return all(check["ok"] for check in checks.values())
