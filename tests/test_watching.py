"""tests.bench.watching: a soak tells processes apart, also those that are there for a moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import redis

from tests import programs
from tests.bench.watching import role
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

_MANY = "for i = 1, 300000 do redis.call('SET', 'key:' .. i, i) end"


def test_the_fork_that_writes_the_store_s_file_anew_is_no_program_that_came_and_went(tmp_path: Path) -> None:
    """It gives itself another name."""
    seen: dict[str, str] = {}

    def forked(server: psutil.Process) -> bool:
        for child in server.children():
            try:
                seen[" ".join(child.cmdline())] = role(child)
            except psutil.NoSuchProcess:
                continue
        return any("rewrite" in command for command in seen)

    with programs.valkey(tmp_path) as valkey, redis.Redis(port=valkey.port) as client:
        assert valkey.program is not None
        server = psutil.Process(valkey.program.process.pid)
        assert role(server) == "valkey"
        client.eval(_MANY, 0)
        client.bgrewriteaof()
        wait_until(lambda: forked(server), 20)
    assert set(seen.values()) == {"valkey's child"}
