"""Many subscriptions on one API process: none is forgotten, and none costs more by not reading."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import psutil
import websockets

from tests import programs
from tests.e2e.live_updates.transports import SUBSCRIPTION
from tests.programs import paused
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
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


STREAM = """subscription ($id: ID!) { primeStream(id: $id) {
    ... on PrimeBatch { values isLast } ... on UserError { message }
} }"""
SILENT = 20
# Unread, the forty streams would come to more than 300 MB.
MOST_BYTES_UNREAD = 120_000_000


async def test_who_never_reads_costs_no_growing_memory(tmp_path: Path) -> None:
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "silent:"),
        programs.api(tmp_path, valkey.url, "silent:") as (url, api),
    ):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            job_id = (await client.post("/generate?n=1048576")).json()["request_id"]
            assert (await client.get(f"/status/{job_id}", headers={"Prefer": "wait=20"})).is_success
            # What one reading client costs is not counted.
            assert await read_to_the_end(url, job_id) == 1_048_576
            process = psutil.Process(api.process.pid)
            before = process.memory_info().rss
            async with AsyncExitStack() as silent:
                for _ in range(SILENT):
                    await silent.enter_async_context(silent_socket(url, job_id))
                    await silent.enter_async_context(silent_event_stream(client, job_id))
                # All that the operating system takes has been sent when a reader has had the whole stream.
                assert await read_to_the_end(url, job_id) == 1_048_576
                grown = process.memory_info().rss - before
                assert (await client.get("/livez")).is_success
        assert grown < MOST_BYTES_UNREAD, f"{grown / 1e6:.0f} MB"


@asynccontextmanager
async def silent_socket(url: str, job_id: str) -> AsyncIterator[None]:
    """A WebSocket client that subscribes and reads no more."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    socket = await websockets.connect(address, subprotocols=protocols, max_queue=1, close_timeout=0.1)
    await socket.send(json.dumps({"type": "connection_init"}))
    await socket.recv()
    payload = {"query": STREAM, "variables": {"id": job_id}}
    await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
    try:
        yield
    finally:
        socket.transport.abort()


@asynccontextmanager
async def silent_event_stream(client: httpx.AsyncClient, job_id: str) -> AsyncIterator[None]:
    body = {"query": STREAM, "variables": {"id": job_id}}
    async with client.stream("POST", "/graphql", json=body, headers={"Accept": "text/event-stream"}):
        yield


async def read_to_the_end(url: str, job_id: str) -> int:
    """How many primes an event stream gives to one that reads."""
    primes = 0
    body = {"query": STREAM, "variables": {"id": job_id}}
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("POST", f"{url}/graphql", json=body, headers={"Accept": "text/event-stream"}) as answer,
    ):
        async for line in answer.aiter_lines():
            if line.startswith('data: {"data"'):
                event = json.loads(line.removeprefix("data: "))["data"]["primeStream"]
                assert "values" in event, event
                primes += len(event["values"])
    return primes


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
