"""Graceful shutdown: streams complete with an error that is retryable, and the process exits in time."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from tests import programs
from tests.e2e.live_updates.transports import SUBSCRIPTION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey

MAX_SHUTDOWN_SECONDS = 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_open_streams_complete_with_an_error_before_the_process_exits(
    valkey: Valkey, prefix: str, tmp_path: Path, number: signal.Signals
) -> None:
    with programs.api(tmp_path, valkey.url, prefix) as (url, api):
        async with httpx.AsyncClient() as client:
            job_id = (await client.post(f"{url}/generate?n=10")).json()["request_id"]
        received = asyncio.Semaphore(0)
        streams = [
            asyncio.create_task(by_websocket(url, job_id, received)),
            asyncio.create_task(by_http(url, job_id, received, "text/event-stream", "event: complete")),
            asyncio.create_task(by_http(url, job_id, received, "multipart/mixed;subscriptionSpec=1.0", "--graphql--")),
        ]
        for _ in streams:
            await asyncio.wait_for(received.acquire(), 10)
        signalled_at = time.monotonic()
        api.send(number)
        results = await asyncio.wait_for(asyncio.gather(*streams), MAX_SHUTDOWN_SECONDS)
        code = await asyncio.to_thread(api.process.wait, MAX_SHUTDOWN_SECONDS)
    assert results == [("BACKEND_UNAVAILABLE", True)] * 3
    # uvicorn raises the signal again after closing everything.
    assert code in {0, -number}
    assert time.monotonic() - signalled_at < MAX_SHUTDOWN_SECONDS
    assert "Traceback" not in api.output()


def code_of(answer: dict[str, Any]) -> str | None:
    code: str | None = answer["data"]["jobUpdates"].get("code")
    return code


async def by_websocket(url: str, job_id: str, received: asyncio.Semaphore) -> tuple[str | None, bool]:
    """The last error code of the stream, and whether it completed."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    code = None
    async with websockets.connect(f"{url.replace('http', 'ws', 1)}/graphql", subprotocols=protocols) as socket:
        await socket.send(json.dumps({"type": "connection_init"}))
        await socket.recv()
        payload = {"query": SUBSCRIPTION, "variables": {"id": job_id}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in socket:
            message = json.loads(text)
            if message["type"] == "complete":
                return code, True
            code = code_of(message["payload"])
            received.release()
    return code, False


async def by_http(url: str, job_id: str, received: asyncio.Semaphore, accept: str, end: str) -> tuple[str | None, bool]:
    code, complete = None, False
    body = {"query": SUBSCRIPTION, "variables": {"id": job_id}}
    async with (
        httpx.AsyncClient(timeout=20) as client,
        client.stream("POST", f"{url}/graphql", json=body, headers={"Accept": accept}) as answer,
    ):
        async for line in answer.aiter_lines():
            text = line.removeprefix("data: ")
            if '"jobUpdates"' in text:
                found = json.loads(text)
                code = code_of(found.get("payload", found))
                received.release()
            complete |= line == end
    return code, complete
