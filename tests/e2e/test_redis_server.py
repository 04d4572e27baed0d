"""The system on Debian's redis-server, selected by REDIS_URL: the Lua scripts must behave as on Valkey."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import httpx
import pytest
import redis
from hypothesis import settings as examples
from hypothesis.stateful import run_state_machine_as_test

from tests import programs
from tests.e2e.live_updates.transports import TRANSPORTS
from tests.tasks.storage.lua.test_life_cycle import LifeCycle

if TYPE_CHECKING:
    from pathlib import Path

SERVER = shutil.which("redis-server")


@pytest.mark.parametrize("transport", list(TRANSPORTS))
async def test_job_is_followed_to_its_final_state_on_redis(tmp_path: Path, transport: str) -> None:
    assert SERVER, "install Debian's redis-server"
    with (
        programs.valkey(tmp_path, server=SERVER) as store,
        programs.worker(tmp_path, store.url, "redis:"),
        programs.api(tmp_path, store.url, "redis:") as (url, _),
    ):
        with redis.Redis.from_url(store.url) as client:
            assert client.info("server")["redis_version"] >= "6.2"
            assert "valkey_version" not in client.info("server")
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            job_id = (await client.post("/generate?n=5000")).json()["request_id"]
            async with asyncio.timeout(30):
                states = [state async for state in TRANSPORTS[transport](url, job_id)]
            result = (await client.get(f"/status/{job_id}")).json()["result"]
    assert states[-1]["status"] == "SUCCEEDED"
    assert (len(result), result[-1]) == (5_000, 48_611)


@pytest.mark.skipif(SERVER is None, reason="needs Debian's redis-server")
def test_no_sequence_of_steps_violates_the_life_cycle_on_redis(tmp_path: Path) -> None:
    with programs.valkey(tmp_path, server=SERVER) as store:
        with redis.Redis.from_url(store.url) as client:
            assert "valkey_version" not in client.info("server")
        machine = type("LifeCycleOnRedis", (LifeCycle,), {"valkey": store})
        run_state_machine_as_test(machine, settings=examples(max_examples=25, stateful_step_count=30, deadline=None))
