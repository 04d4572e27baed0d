"""A running system with authentication by API key, keys for two callers, and functions to create and revoke more."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from gql.auth.api_keys import KeyStore
from tasks.settings import JobSettings

if TYPE_CHECKING:
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
