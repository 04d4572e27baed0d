"""A thousand open subscriptions on one API process: what each costs, and that none is forgotten at the end."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import httpx
import psutil
import websockets

from tests import programs
from tests.e2e.followers import SUBSCRIPTION
from tests.programs import paused
from tests.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

SUBSCRIBERS = 1_000

# Measured: 100 to 120 kB with a socket each. Far above that, something is kept that should not be.
MOST_BYTES_EACH = 300_000


async def test_a_thousand_subscribers_cost_little_and_all_see_the_end(tmp_path: Path) -> None:
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "crowd:") as worker,
        programs.api(tmp_path, valkey.url, "crowd:") as (url, api),
    ):
        process = psutil.Process(api.process.pid)
        with paused(worker):
            job_id = (await asyncio.to_thread(httpx.post, f"{url}/generate?n=10")).json()["request_id"]
            before = process.memory_info().rss
            begun = asyncio.Semaphore(0)
            opening = asyncio.Semaphore(50)
            following = [asyncio.create_task(follow(url, job_id, opening, begun)) for _ in range(SUBSCRIBERS)]
            for _ in range(SUBSCRIBERS):
                await asyncio.wait_for(begun.acquire(), 60)
            each = (process.memory_info().rss - before) / SUBSCRIBERS
        finals = await asyncio.wait_for(asyncio.gather(*following), 60)
        assert finals == [1] * SUBSCRIBERS
        assert each < MOST_BYTES_EACH
        print(f"memory per subscription: {each / 1000:.0f} kB")  # noqa: T201 - stated, not only bounded

        async def all_forgotten() -> bool:
            async with httpx.AsyncClient() as client:
                answer = await client.post(f"{url}/graphql", json={"query": "{ system { subscribers } }"})
            return bool(answer.json()["data"]["system"]["subscribers"] == 0)

        await eventually(all_forgotten)


async def follow(url: str, job_id: str, opening: asyncio.Semaphore, begun: asyncio.Semaphore) -> int:
    """How often the final state was told on one socket."""
    finals = 0
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with opening:
        socket = await websockets.connect(f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=protocols)
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        payload = {"query": SUBSCRIPTION, "variables": {"id": job_id}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        await socket.recv()
    begun.release()
    async with socket:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "complete":
                break
            finals += message["payload"]["data"]["jobUpdates"]["job"]["isFinal"]
    return finals
