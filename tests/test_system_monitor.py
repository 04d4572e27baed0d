"""tests.bench.system_monitor: the soak test identifies processes, including short-lived ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import redis

from tests import programs
from tests.bench.system_monitor import role
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

_SET_MANY_KEYS = "for i = 1, 300000 do redis.call('SET', 'key:' .. i, i) end"


def test_the_process_that_rewrites_the_append_only_file_is_a_child_of_valkey(tmp_path: Path) -> None:
    """It changes its command line."""
    roles: dict[str, str] = {}

    def rewrite_started(server: psutil.Process) -> bool:
        for child in server.children():
            try:
                roles[" ".join(child.cmdline())] = role(child)
            except psutil.NoSuchProcess:
                continue
        return any("rewrite" in command for command in roles)

    with programs.valkey(tmp_path) as valkey, redis.Redis(port=valkey.port) as client:
        assert valkey.program is not None
        server = psutil.Process(valkey.program.process.pid)
        assert role(server) == "valkey"
        client.eval(_SET_MANY_KEYS, 0)
        client.bgrewriteaof()
        wait_until(lambda: rewrite_started(server))
    assert set(roles.values()) == {"valkey's child"}
