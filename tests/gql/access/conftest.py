"""A whole system that asks who is there, and two callers who have a key each."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from gql.access.keys import KeyStore
from tasks.settings import JobSettings
from tests import programs
from tests.conftest import System

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.programs import Valkey


@dataclass(frozen=True, slots=True)
class Guarded:
    """The system, and what gets in."""

    system: System
    alice: str
    bob: str

    @property
    def job_settings(self) -> JobSettings:
        return JobSettings(redis_url=self.system.valkey.url, key_prefix=self.system.prefix)

    def client(self, key: str | None) -> httpx.Client:
        headers = {} if key is None else bearing(key)
        return httpx.Client(base_url=self.system.url, headers=headers, timeout=20)


def bearing(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def created(settings: JobSettings, name: str) -> str:
    async def create() -> str:
        store = KeyStore.connect(settings)
        try:
            return await store.create(name)
        finally:
            await store.close()

    return asyncio.run(create())


def revoked(settings: JobSettings, key: str) -> None:
    async def revoke() -> None:
        store = KeyStore.connect(settings)
        try:
            assert await store.revoke(key.split("_")[1])
        finally:
            await store.close()

    asyncio.run(revoke())


@pytest.fixture(scope="session")
def guarded(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    prefix = f"guarded-{uuid.uuid4().hex}:"
    settings = JobSettings(redis_url=valkey.url, key_prefix=prefix)
    with (
        programs.worker(folder, valkey.url, prefix) as worker,
        programs.api(folder, valkey.url, prefix, AUTHENTICATION="keys") as (url, api),
    ):
        system = System(url, valkey, prefix, api, worker)
        yield Guarded(system, created(settings, "alice"), created(settings, "bob"))
