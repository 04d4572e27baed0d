"""API keys: only a hash of them is kept, and they hold until they are revoked or expire."""

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
    found = PresentedKey.read(key)
    assert found is not None
    return found


async def test_a_key_fits_its_record_and_no_other(store: KeyStore) -> None:
    one, other = presented(await store.create("alice")), presented(await store.create("alice"))
    records = await store.find([one.id, other.id, "0" * 16])
    assert records.keys() == {one.id, other.id}
    assert one.fits(records[one.id])
    assert not one.fits(records[other.id])
    assert not one.fits(None)
    assert records[one.id].caller.owner == "key:alice"


async def test_a_revoked_key_has_no_record(store: KeyStore) -> None:
    key = presented(await store.create("alice"))
    assert await store.revoke(key.id)
    assert not await store.revoke(key.id)
    assert await store.find([key.id]) == {}


async def test_a_key_that_has_expired_does_not_fit(store: KeyStore) -> None:
    lasting, over = (
        presented(await store.create("alice", timedelta(hours=1))),
        presented(await store.create("alice", timedelta(hours=-1))),
    )
    records = await store.find([lasting.id, over.id])
    assert lasting.fits(records[lasting.id])
    assert not over.fits(records[over.id])


async def test_the_secret_is_not_kept_and_not_shown(store: KeyStore, redis_client: redis.Redis, prefix: str) -> None:
    key = await store.create("alice")
    secret = key.split("_", 2)[2]
    assert key.startswith(KEY_PREFIX)
    assert len(secret) == 43
    assert secret not in repr(redis_client.hgetall(f"{prefix}@keys"))
    assert secret not in repr(presented(key))
    assert secret not in repr(await store.all())


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a" * 65, "é", "a\n"])
async def test_a_name_that_could_be_another_part_of_a_key_is_refused(store: KeyStore, name: str) -> None:
    with pytest.raises(ValueError, match="must be 1 to 64 letters"):
        await store.create(name)
    assert await store.all() == []


@pytest.mark.parametrize(
    "text", ["", "x", "primes_", f"primes_{'0' * 16}", f"primes_{'0' * 16}_{'a' * 42}", f"primes_{'0' * 16}_{'a' * 44}"]
)
def test_what_does_not_look_like_a_key_asks_nobody(text: str) -> None:
    assert PresentedKey.read(text) is None
