"""Graceful shutdown: streams complete with an error that is retryable, and the process exits in time."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from tests import programs
from tests.e2e.live_updates.transports import SUBSCRIPTION
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from tests.programs import Valkey

MAX_SHUTDOWN_SECONDS = 5
STREAMS_EACH = 100


@pytest.mark.parametrize(
    ("number", "processes"),
    [(signal.SIGTERM, 1), (signal.SIGINT, 1), (signal.SIGTERM, 2)],
    ids=["SIGTERM", "SIGINT", "SIGTERM, two processes"],
)
async def test_open_streams_complete_with_an_error_before_the_process_exits(
    valkey: Valkey, prefix: str, tmp_path: Path, number: signal.Signals, processes: int
) -> None:
    with programs.api(tmp_path, valkey.url, prefix, WEB_WORKERS=str(processes), LOG_LEVEL="INFO") as (url, api):
        wait_until(lambda: api.output().count("Application startup complete") == processes, explain=api.output)
        no_limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        async with httpx.AsyncClient(base_url=url, timeout=60, limits=no_limits) as client:
            job_id = (await client.post("/generate?n=10")).json()["request_id"]
            received = asyncio.Semaphore(0)
            opened = [
                stream
                for _ in range(STREAMS_EACH)
                for stream in (
                    by_websocket(url, job_id),
                    by_http(client, job_id, "text/event-stream", "event: complete"),
                    by_http(client, job_id, "multipart/mixed;subscriptionSpec=1.0", "--graphql--"),
                )
            ]
            streams = [asyncio.create_task(last_code(stream, received)) for stream in opened]
            for _ in streams:
                await asyncio.wait_for(received.acquire(), 60)
            watch = Stopwatch(api.process.pid)
            api.send(number)
            await asyncio.to_thread(watch.stop_at_exit, api.process.pid)
            code = api.process.wait()
            results = await asyncio.wait_for(asyncio.gather(*streams), 60)
    assert results == [("BACKEND_UNAVAILABLE", True)] * 3 * STREAMS_EACH
    assert code == 0
    assert watch.seconds < MAX_SHUTDOWN_SECONDS
    assert api.output().count("Finished server process") == processes
    assert "Traceback" not in api.output()
    print(f"{len(streams)} streams, {processes} processes: exit after {watch}")  # noqa: T201 - the measurement


async def last_code(stream: AsyncGenerator[dict[str, Any] | None], received: asyncio.Semaphore) -> tuple[Any, bool]:
    """The error code of a stream's last answer, and whether the stream completed after it."""
    code = None
    async with aclosing(stream) as answers:
        async for answer in answers:
            if answer is None:
                return code, True
            code = answer["data"]["jobUpdates"].get("code")
            received.release()
    return code, False


async def by_websocket(url: str, job_id: str) -> AsyncGenerator[dict[str, Any] | None]:
    """The answers of a subscription, then None if it completes."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    address = f"{url.replace('http', 'ws', 1)}/graphql"
    async with websockets.connect(address, subprotocols=protocols, open_timeout=60) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        payload = {"query": SUBSCRIPTION, "variables": {"id": job_id}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            yield None if message["type"] == "complete" else message["payload"]


async def by_http(
    client: httpx.AsyncClient, job_id: str, accept: str, end: str
) -> AsyncGenerator[dict[str, Any] | None]:
    body = {"query": SUBSCRIPTION, "variables": {"id": job_id}}
    async with client.stream("POST", "/graphql", json=body, headers={"Accept": accept}) as response:
        async for line in response.aiter_lines():
            text = line.removeprefix("data: ")
            if '"jobUpdates"' in text:
                found = json.loads(text)
                yield found.get("payload", found)
            elif line == end:
                yield None
