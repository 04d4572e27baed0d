"""One GraphQL request on each transport, with its responses in one form."""

from __future__ import annotations

import asyncio
import json
from typing import Any, NamedTuple

import httpx
import websockets

JSON = "application/json"
STRICT = "application/graphql-response+json"
EVENTS = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"


class Transport(NamedTuple):
    """How a request is sent. Without a method, by WebSocket."""

    method: str | None
    accept: str = ""

    async def responses(self, url: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """The responses to one request, until the operation ends."""
        if self.method is None:
            return await _by_websocket(url, parameters)
        async with httpx.AsyncClient(timeout=10) as client:
            sent: dict[str, Any] = {"json": parameters} if self.method == "POST" else {"params": in_query(parameters)}
            response = await client.request(self.method, url, headers={"Accept": self.accept}, **sent)
        assert response.status_code < 500, response.text
        return _bodies(response)


BY_POST = [Transport("POST", accept) for accept in (JSON, STRICT, EVENTS, MULTIPART, f"{MULTIPART}, {JSON}")]
BY_GET = [Transport("GET", accept) for accept in (JSON, STRICT, EVENTS, MULTIPART)]
BY_WEBSOCKET = Transport(None)
TRANSPORTS = [*BY_POST, *BY_GET, BY_WEBSOCKET]


def in_query(parameters: dict[str, Any]) -> dict[str, str]:
    """Parameters as a GET has them."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in parameters.items()
        if value is not None
    }


def _bodies(response: httpx.Response) -> list[dict[str, Any]]:
    kind = response.headers["content-type"].partition(";")[0]
    if kind == EVENTS:
        return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]
    if kind == "multipart/mixed":
        parts = [json.loads(line) for line in response.text.splitlines() if line.startswith("{")]
        return [part["payload"] for part in parts if part]
    assert kind in {JSON, STRICT}
    return [response.json()]


async def _by_websocket(url: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(url.replace("http", "ws", 1), subprotocols=protocols) as socket, asyncio.timeout(10):
        await socket.send('{"type": "connection_init"}')
        await socket.recv()
        await socket.send(json.dumps({"type": "subscribe", "id": "1", "payload": parameters}))
        found = []
        async for message in socket:
            received = json.loads(message)
            if received["type"] == "error":
                return [{"errors": received["payload"]}]
            if received["type"] == "complete":
                break
            found.append(received["payload"])
        # After an error of one operation, the socket serves the next one.
        return found
