"""The life cycle's properties once more, on Debian's redis-server: the scripts must mean the same to both servers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import redis
from hypothesis import settings as examples
from hypothesis.stateful import run_state_machine_as_test

from tests import programs
from tests.tasks.storage.lua.test_life_cycle import LifeCycle

if TYPE_CHECKING:
    from pathlib import Path

SERVER = shutil.which("redis-server")


@pytest.mark.skipif(SERVER is None, reason="needs Debian's redis-server")
def test_no_sequence_of_steps_breaks_the_life_cycle_on_redis(tmp_path: Path) -> None:
    with programs.valkey(tmp_path, server=SERVER) as store:
        with redis.Redis.from_url(store.url) as client:
            assert "valkey_version" not in client.info("server")
        here = type("LifeCycleOnRedis", (LifeCycle,), {"valkey": store})
        run_state_machine_as_test(here, settings=examples(max_examples=25, stateful_step_count=30, deadline=None))
