"""The graphql-transport-ws protocol, message by message."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import websockets

from gql.graphql import router
from tests import in_process

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import System

STATS = {"query": "subscription { systemStats(intervalMs: 100) { at } }"}


@asynccontextmanager
async def connected(system: System, *, acknowledged: bool = True) -> AsyncIterator[websockets.ClientConnection]:
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(system.websocket, subprotocols=protocols) as socket:
        if acknowledged:
            await send(socket, {"type": "connection_init"})
            assert await receive(socket) == {"type": "connection_ack"}
        yield socket


async def send(socket: websockets.ClientConnection, message: Any) -> None:
    await socket.send(json.dumps(message))


async def receive(socket: websockets.ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))


async def close_code(socket: websockets.ClientConnection, within: float = 10) -> int | None:
    async with asyncio.timeout(within):
        try:
            async for _ in socket:
                pass
        except websockets.ConnectionClosedError:
            pass
    return socket.close_code


@pytest.mark.parametrize(
    "text",
    [
        "null", "1", "[]", '"x"', "{", "[" * 20_000, "9" * 5000, "{}", '{"type": 1}', '{"type": "unknown"}',
        '{"type": "ping", "payload": "x"}', '{"type": "connection_init", "payload": []}',
        '{"type": "subscribe"}', '{"type": "subscribe", "id": 1, "payload": {"query": "{ a }"}}',
        '{"type": "subscribe", "id": "", "payload": {"query": "{ a }"}}', '{"type": "subscribe", "id": []}',
        '{"type": "subscribe", "id": "1"}', '{"type": "subscribe", "id": "1", "payload": "x"}',
        '{"type": "subscribe", "id": "1", "payload": {"query": 1}}', '{"type": "complete"}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": []}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "operationName": 1}}',
    ],
    ids=lambda text: text[:60],
)  # fmt: skip
async def test_an_invalid_message_closes_with_4400(system: System, text: str) -> None:
    async with connected(system) as socket:
        await socket.send(text)
        assert await close_code(socket) == 4400


async def test_a_binary_message_closes_with_4400(system: System) -> None:
    async with connected(system) as socket:
        await socket.send(b"{}")
        assert await close_code(socket) == 4400


async def test_a_message_above_the_size_limit_closes_with_1009(system: System) -> None:
    async with connected(system) as socket:
        await socket.send("x" * 70_000)
        assert await close_code(socket) == 1009


@pytest.mark.parametrize("payload", [{"payload": None}, {"payload": {}}, {"payload": {"Authorization": "x"}}, {}])
async def test_connection_init_is_accepted_with_or_without_a_payload(system: System, payload: dict[str, Any]) -> None:
    async with connected(system, acknowledged=False) as socket:
        await send(socket, {"type": "connection_init", **payload})
        assert await receive(socket) == {"type": "connection_ack"}


async def test_subscribing_before_the_acknowledgement_closes_with_4401(system: System) -> None:
    async with connected(system, acknowledged=False) as socket:
        await send(socket, {"type": "subscribe", "id": "1", "payload": STATS})
        assert await close_code(socket) == 4401


async def test_a_second_init_closes_with_4429(system: System) -> None:
    async with connected(system) as socket:
        await send(socket, {"type": "connection_init"})
        assert await close_code(socket) == 4429


async def test_a_connection_without_init_for_10_s_closes_with_4408(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a shorter timeout, so that the test need not wait for 10 s."""
    timeout = "_CONNECTION_INIT_TIMEOUT"
    assert getattr(router, timeout) == timedelta(seconds=10)
    monkeypatch.setattr(router, timeout, timedelta(seconds=0.5))
    with in_process.api(system.valkey.url, system.prefix, RESULTS_URL=system.results_url) as url:
        async with connected(replace(system, url=url), acknowledged=False) as socket:
            started = time.monotonic()
            assert await close_code(socket, within=20) == 4408
            assert time.monotonic() - started > 0.4


async def test_a_duplicate_operation_id_closes_with_4409(system: System) -> None:
    async with connected(system) as socket:
        for _ in range(2):
            await send(socket, {"type": "subscribe", "id": "1", "payload": STATS})
        assert await close_code(socket) == 4409


async def test_a_ping_is_followed_by_a_pong(system: System) -> None:
    async with connected(system) as socket:
        await send(socket, {"type": "ping", "payload": {"a": 1}})
        assert (await receive(socket))["type"] == "pong"


async def test_another_subprotocol_is_refused(system: System) -> None:
    with pytest.raises(websockets.WebSocketException):
        async with websockets.connect(system.websocket, subprotocols=[websockets.Subprotocol("graphql-ws")]) as socket:
            await socket.recv()


@pytest.mark.parametrize("query", ["{", "subscription { nothing }", "subscription { jobUpdates { __typename } }"])
async def test_an_invalid_document_fails_only_its_own_operation(system: System, query: str) -> None:
    async with connected(system) as socket:
        await send(socket, {"type": "subscribe", "id": "good", "payload": STATS})
        assert (await receive(socket))["type"] == "next"
        await send(socket, {"type": "subscribe", "id": "bad", "payload": {"query": query}})
        while (message := await receive(socket))["id"] != "bad":
            pass
        assert message["type"] == "error"
        assert (await receive(socket))["id"] == "good"


async def test_queries_are_executed_over_a_websocket(system: System) -> None:
    async with connected(system) as socket:
        await send(socket, {"type": "subscribe", "id": "1", "payload": {"query": "{ limits { maxCount } }"}})
        payload = {"data": {"limits": {"maxCount": 100_000_000}}}
        assert await receive(socket) == {"id": "1", "type": "next", "payload": payload}
        assert await receive(socket) == {"id": "1", "type": "complete"}


async def test_complete_ends_a_subscription_and_frees_its_id(system: System) -> None:
    async with connected(system) as socket:
        for _ in range(3):
            await send(socket, {"type": "subscribe", "id": "1", "payload": STATS})
            assert (await receive(socket))["type"] == "next"
            await send(socket, {"type": "complete", "id": "1"})
