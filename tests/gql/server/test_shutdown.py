"""A polite end: streams are told, requests are answered, the process exits in time."""

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
from tests.e2e.followers import SUBSCRIPTION

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey

END_SECONDS = 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_open_streams_are_told_and_complete_before_the_process_ends(
    valkey: Valkey, prefix: str, tmp_path: Path, number: signal.Signals
) -> None:
    with programs.api(tmp_path, valkey.url, prefix) as (url, api):
        async with httpx.AsyncClient() as client:
            job_id = (await client.post(f"{url}/generate?n=10")).json()["request_id"]
        begun = asyncio.Semaphore(0)
        streams = [
            asyncio.create_task(by_websocket(url, job_id, begun)),
            asyncio.create_task(by_http(url, job_id, begun, "text/event-stream", "event: complete")),
            asyncio.create_task(by_http(url, job_id, begun, "multipart/mixed;subscriptionSpec=1.0", "--graphql--")),
        ]
        for _ in streams:
            await asyncio.wait_for(begun.acquire(), 10)
        began = time.monotonic()
        api.send(number)
        endings = await asyncio.wait_for(asyncio.gather(*streams), END_SECONDS)
        code = await asyncio.to_thread(api.process.wait, END_SECONDS)
    assert endings == [("BACKEND_UNAVAILABLE", True)] * 3
    # As uvicorn does: it ends by the signal that it was sent, after everything was closed.
    assert code in {0, -number}
    assert time.monotonic() - began < END_SECONDS
    assert "Traceback" not in api.output()


def code_of(answer: dict[str, Any]) -> str | None:
    code: str | None = answer["data"]["jobUpdates"].get("code")
    return code


async def by_websocket(url: str, job_id: str, begun: asyncio.Semaphore) -> tuple[str | None, bool]:
    """The last code that a stream told, and whether it completed."""
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
            begun.release()
    return code, False


async def by_http(url: str, job_id: str, begun: asyncio.Semaphore, accept: str, end: str) -> tuple[str | None, bool]:
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
                begun.release()
            complete |= line == end
    return code, complete
