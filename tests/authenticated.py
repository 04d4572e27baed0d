"""A running system with authentication by API key, with functions to create and revoke keys and open WebSockets."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import websockets

from gql.auth.api_keys import KeyStore
from tasks.settings import JobSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.conftest import System


@dataclass(frozen=True, slots=True)
class AuthenticatedSystem:
    """The system, and the API keys of two callers."""

    system: System
    alice: str
    bob: str

    @property
    def job_settings(self) -> JobSettings:
        return JobSettings(redis_url=self.system.valkey.url, key_prefix=self.system.prefix)

    def client(self, key: str | None) -> httpx.Client:
        headers = {} if key is None else bearer_header(key)
        return httpx.Client(base_url=self.system.url, headers=headers, timeout=20)


def with_keys(system: System) -> AuthenticatedSystem:
    """A system that requires keys, with two of them."""
    settings = JobSettings(redis_url=system.valkey.url, key_prefix=system.prefix)
    return AuthenticatedSystem(system, create_key(settings, "alice"), create_key(settings, "bob"))


def bearer_header(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def create_key(settings: JobSettings, name: str) -> str:
    async def create() -> str:
        store = KeyStore.connect(settings)
        try:
            return await store.create(name)
        finally:
            await store.close()

    return asyncio.run(create())


def revoke_key(settings: JobSettings, key: str) -> None:
    async def revoke() -> None:
        store = KeyStore.connect(settings)
        try:
            assert await store.revoke(key.split("_")[1])
        finally:
            await store.close()

    asyncio.run(revoke())


@asynccontextmanager
async def connected_websocket(
    authenticated: AuthenticatedSystem, payload: Any, headers: dict[str, str] | None = None
) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket on which connection_init was sent."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(
        authenticated.system.websocket, subprotocols=protocols, additional_headers=headers
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        yield socket


async def receive(socket: websockets.ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))
