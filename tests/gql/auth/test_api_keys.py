"""API keys: stored as a hash, valid until they are revoked or expire."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from gql.auth.api_keys import KEY_PREFIX, KeyStore, PresentedKey

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import redis

    from tasks.settings import JobSettings


@pytest_asyncio.fixture
async def store(settings: JobSettings) -> AsyncIterator[KeyStore]:
    store = KeyStore.connect(settings)
    yield store
    await store.close()


def presented(key: str) -> PresentedKey:
    parsed = PresentedKey.parse(key)
    assert parsed is not None
    return parsed


async def test_key_matches_its_own_record_only(store: KeyStore) -> None:
    one, other = presented(await store.create("alice")), presented(await store.create("alice"))
    records = await store.find([one.id, other.id, "0" * 16])
    assert records.keys() == {one.id, other.id}
    assert one.matches(records[one.id])
    assert not one.matches(records[other.id])
    assert not one.matches(None)
    assert records[one.id].caller.owner == "key:alice"


async def test_revoked_key_has_no_record(store: KeyStore) -> None:
    key = presented(await store.create("alice"))
    assert await store.revoke(key.id)
    assert not await store.revoke(key.id)
    assert await store.find([key.id]) == {}


async def test_expired_key_does_not_match(store: KeyStore) -> None:
    valid, expired = (
        presented(await store.create("alice", timedelta(hours=1))),
        presented(await store.create("alice", timedelta(hours=-1))),
    )
    records = await store.find([valid.id, expired.id])
    assert valid.matches(records[valid.id])
    assert not expired.matches(records[expired.id])


async def test_secret_is_neither_stored_nor_printed(store: KeyStore, redis_client: redis.Redis, prefix: str) -> None:
    key = await store.create("alice")
    secret = key.split("_", 2)[2]
    assert key.startswith(KEY_PREFIX)
    assert len(secret) == 43
    assert secret not in repr(redis_client.hgetall(f"{prefix}@keys"))
    assert secret not in repr(presented(key))
    assert secret not in repr(await store.list_all())


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a" * 65, "é", "a\n"])
async def test_invalid_name_is_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 64 letters"):
        await store.create(name)
    assert await store.list_all() == []


@pytest.mark.parametrize(
    "text", ["", "x", "primes_", f"primes_{'0' * 16}", f"primes_{'0' * 16}_{'a' * 42}", f"primes_{'0' * 16}_{'a' * 44}"]
)
def test_malformed_key_is_not_parsed(text: str) -> None:
    assert PresentedKey.parse(text) is None
