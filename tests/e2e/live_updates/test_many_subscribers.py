"""Memory of many subscriptions on one API process, also of those whose client does not read."""

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

# Measured: 100 to 120 kB per WebSocket with one subscription. Far more would be a leak.
MAX_BYTES_PER_SUBSCRIPTION = 300_000


async def test_thousand_subscribers_take_little_memory_and_receive_the_final_state(tmp_path: Path) -> None:
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "burst:") as worker,
        programs.api(tmp_path, valkey.url, "burst:") as (url, api),
    ):
        process = psutil.Process(api.process.pid)
        with paused(worker):
            job_id = (await asyncio.to_thread(httpx.post, f"{url}/generate?n=10")).json()["request_id"]
            before = process.memory_info().rss
            subscribed = asyncio.Semaphore(0)
            opening = asyncio.Semaphore(50)
            following = [asyncio.create_task(follow(url, job_id, opening, subscribed)) for _ in range(SUBSCRIBERS)]
            for _ in range(SUBSCRIBERS):
                await asyncio.wait_for(subscribed.acquire(), 60)
            bytes_each = (process.memory_info().rss - before) / SUBSCRIBERS
        finals = await asyncio.wait_for(asyncio.gather(*following), 60)
        assert finals == [1] * SUBSCRIBERS
        assert bytes_each < MAX_BYTES_PER_SUBSCRIPTION
        print(f"memory per subscription: {bytes_each / 1000:.0f} kB")  # noqa: T201 - the measurement, not only its bound

        async def all_are_removed() -> bool:
            async with httpx.AsyncClient() as client:
                response = await client.post(f"{url}/graphql", json={"query": "{ system { subscribers } }"})
            return bool(response.json()["data"]["system"]["subscribers"] == 0)

        await eventually(all_are_removed)


STREAM = """subscription ($id: ID!) { primeStream(id: $id) {
    ... on PrimeBatch { values isLast } ... on UserError { message }
} }"""
STALLED = 20
# Forty streams without backpressure would buffer more than 300 MB.
MAX_GROWTH_BYTES = 120_000_000


async def test_client_that_never_reads_takes_bounded_memory(tmp_path: Path) -> None:
    with (
        programs.valkey(tmp_path) as valkey,
        programs.worker(tmp_path, valkey.url, "stalled:"),
        programs.api(tmp_path, valkey.url, "stalled:") as (url, api),
    ):
        async with httpx.AsyncClient(base_url=url, timeout=30) as client:
            job_id = (await client.post("/generate?n=1048576")).json()["request_id"]
            assert (await client.get(f"/status/{job_id}", headers={"Prefer": "wait=20"})).is_success
            # The first stream allocates memory that stays.
            assert await read_to_the_end(url, job_id) == 1_048_576
            process = psutil.Process(api.process.pid)
            before = process.memory_info().rss
            async with AsyncExitStack() as stalled:
                for _ in range(STALLED):
                    await stalled.enter_async_context(stalled_websocket(url, job_id))
                    await stalled.enter_async_context(stalled_event_stream(client, job_id))
                # When a reader has received its whole stream, the socket buffers of the others are full.
                assert await read_to_the_end(url, job_id) == 1_048_576
                growth = process.memory_info().rss - before
                assert (await client.get("/livez")).is_success
        assert growth < MAX_GROWTH_BYTES, f"{growth / 1e6:.0f} MB"


@asynccontextmanager
async def stalled_websocket(url: str, job_id: str) -> AsyncIterator[None]:
    """A WebSocket client that subscribes and then reads nothing."""
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
async def stalled_event_stream(client: httpx.AsyncClient, job_id: str) -> AsyncIterator[None]:
    body = {"query": STREAM, "variables": {"id": job_id}}
    async with client.stream("POST", "/graphql", json=body, headers={"Accept": "text/event-stream"}):
        yield


async def read_to_the_end(url: str, job_id: str) -> int:
    """Read an event stream to its end. Returns the number of primes."""
    primes = 0
    body = {"query": STREAM, "variables": {"id": job_id}}
    async with (
        httpx.AsyncClient(timeout=60) as client,
        client.stream("POST", f"{url}/graphql", json=body, headers={"Accept": "text/event-stream"}) as response,
    ):
        async for line in response.aiter_lines():
            if line.startswith('data: {"data"'):
                event = json.loads(line.removeprefix("data: "))["data"]["primeStream"]
                assert "values" in event, event
                primes += len(event["values"])
    return primes


async def follow(url: str, job_id: str, opening: asyncio.Semaphore, subscribed: asyncio.Semaphore) -> int:
    """Follow a job on one WebSocket. Returns the number of final states received."""
    finals = 0
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with opening:
        socket = await websockets.connect(f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=protocols)
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        payload = {"query": SUBSCRIPTION, "variables": {"id": job_id}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        await socket.recv()
    subscribed.release()
    async with socket:
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "complete":
                break
            finals += message["payload"]["data"]["jobUpdates"]["job"]["isFinal"]
    return finals
