"""Started by hand, on a server of one's own: Debian's redis-server, by REDIS_URL."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import httpx
import pytest
import redis

from tests import programs
from tests.e2e.followers import TRANSPORTS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("transport", list(TRANSPORTS))
async def test_a_job_is_followed_to_its_end_on_redis(tmp_path: Path, transport: str) -> None:
    server = shutil.which("redis-server")
    assert server, "install Debian's redis-server"
    with (
        programs.valkey(tmp_path, server=server) as store,
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
