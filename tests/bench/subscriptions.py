"""Memory of an API process per open subscription, by transport: `python -m tests.bench.subscriptions`.

Each transport is measured with a new process. No worker runs, so that every subscription stays open. The first
subscriptions, which allocate memory that stays, are not counted.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psutil
import websockets

from tests import programs
from tests.e2e.live_updates.transports import EVENT_STREAM, MULTIPART, payload

WARM_UP = 50
CONCURRENT_CONNECTIONS = 25
SUBSCRIPTIONS_PER_SOCKET = 50

# Opens a number of subscriptions to a job. Returns the objects that keep them open.
Opening = Callable[[str, str, int], Awaitable[Any]]


async def sockets(url: str, job_id: str, number: int, on_each: int = 1) -> list[Any]:
    """WebSockets with `on_each` subscriptions each."""

    async def one() -> Any:
        address = f"{url.replace('http', 'ws', 1)}/graphql"
        socket = await websockets.connect(address, subprotocols=[websockets.Subprotocol("graphql-transport-ws")])
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        for operation in range(on_each):
            message = {"id": str(operation), "type": "subscribe", "payload": payload(job_id, None)}
            await socket.send(json.dumps(message))
        for _ in range(on_each):
            assert json.loads(await socket.recv())["type"] == "next"
        return socket

    return await repeat(one, number // on_each)


async def streams(url: str, job_id: str, number: int, accept: str) -> list[Any]:
    """Streams over HTTP with one connection each."""
    body = json.dumps(payload(job_id, None))
    host = urlsplit(url).netloc
    head = f"POST /graphql HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nAccept: {accept}\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()

    async def one() -> Any:
        reader, writer = await asyncio.open_connection(*host.split(":"))
        writer.write(request)
        await reader.readuntil(b"QUEUED")
        return reader, writer

    return await repeat(one, number)


async def repeat(one: Callable[[], Awaitable[Any]], number: int) -> list[Any]:
    found: list[Any] = []
    while len(found) < number:
        found += await asyncio.gather(*(one() for _ in range(min(CONCURRENT_CONNECTIONS, number - len(found)))))
    return found


async def measure(url: str, process: psutil.Process, opening: Opening, number: int) -> float:
    """Bytes of memory per subscription."""
    async with httpx.AsyncClient(base_url=url) as client:
        job_id = (await client.post("/generate?n=10")).json()["request_id"]
        open_subscriptions = [await opening(url, job_id, WARM_UP)]
        before = process.memory_info().rss
        open_subscriptions.append(await opening(url, job_id, number))
        each = (process.memory_info().rss - before) / number
        response = await client.post("/graphql", json={"query": "{ system { subscribers } }"})
        assert response.json()["data"]["system"]["subscribers"] == WARM_UP + number
    return each


def main(number: int = 1_000) -> int:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    transports: dict[str, Opening] = {
        "WebSocket, 1 subscription": sockets,
        f"WebSocket, {SUBSCRIPTIONS_PER_SOCKET} subscriptions": partial(sockets, on_each=SUBSCRIPTIONS_PER_SOCKET),
        "Server-Sent Events": partial(streams, accept=EVENT_STREAM),
        "multipart": partial(streams, accept=MULTIPART),
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        valkey = stack.enter_context(programs.valkey(folder))
        print(f"{number} open subscriptions on one process")
        for name, opening in transports.items():
            with programs.api(folder, valkey.url, "bench:") as (url, api):
                each = asyncio.run(measure(url, psutil.Process(api.process.pid), opening, number))
            print(f"{name:<28}{each / 1000:>8.0f} kB per subscription")
    return 0


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
