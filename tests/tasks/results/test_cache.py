"""Size limit, eviction order, shared loads and cancellation of the cache."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tasks.results.cache import ByteLimitedCache


@dataclass(frozen=True)
class Block:
    nbytes: int


class Loader:
    """Counts its calls; each returns once `released` is set."""

    def __init__(self, nbytes: int = 10) -> None:
        self.calls = 0
        self.max_concurrent = 0
        self.released = asyncio.Event()
        self._running = 0
        self._nbytes = nbytes

    async def __call__(self) -> Block:
        self.calls += 1
        self._running += 1
        self.max_concurrent = max(self.max_concurrent, self._running)
        await self.released.wait()
        self._running -= 1
        return Block(self._nbytes)


@pytest.fixture
async def loader() -> Loader:
    return Loader()


async def test_a_cached_value_is_not_loaded_again(loader: Loader) -> None:
    cache = ByteLimitedCache[Block](100, 4)
    loader.released.set()
    first = await cache.get("a", loader)
    assert await cache.get("a", loader) is first
    assert loader.calls == 1


async def test_concurrent_requests_for_one_key_share_one_load(loader: Loader) -> None:
    cache = ByteLimitedCache[Block](100, 4)
    waiting = [asyncio.create_task(cache.get("a", loader)) for _ in range(20)]
    await asyncio.sleep(0)
    loader.released.set()
    assert len({id(block) for block in await asyncio.gather(*waiting)}) == 1
    assert loader.calls == 1


async def test_the_least_recently_used_value_is_evicted_at_the_size_limit() -> None:
    cache = ByteLimitedCache[Block](35, 4)
    for key, nbytes in (("a", 10), ("b", 10), ("c", 10)):
        loader = Loader(nbytes)
        loader.released.set()
        await cache.get(key, loader)
    assert cache.nbytes == 30
    cached, new = Loader(), Loader(20)
    new.released.set()
    await cache.get("a", cached)
    await cache.get("d", new)
    assert cache.nbytes == 30
    await cache.get("a", cached)
    assert cached.calls == 0, "the most recently used value was evicted"
    cached.released.set()
    await cache.get("b", cached)
    assert cached.calls == 1


async def test_a_value_larger_than_the_cache_is_returned_but_not_cached() -> None:
    cache = ByteLimitedCache[Block](5, 4)
    loader = Loader()
    loader.released.set()
    assert (await cache.get("a", loader)).nbytes == 10
    assert cache.nbytes == 0


async def test_concurrent_loads_are_limited(loader: Loader) -> None:
    cache = ByteLimitedCache[Block](1000, 3)
    waiting = [asyncio.create_task(cache.get(key, loader)) for key in range(10)]
    for _ in range(5):
        await asyncio.sleep(0)
    loader.released.set()
    await asyncio.gather(*waiting)
    assert (loader.calls, loader.max_concurrent) == (10, 3)


async def test_a_failed_load_fails_all_callers_and_is_not_cached(loader: Loader) -> None:
    async def fail() -> Block:
        await loader()
        raise OSError("disk failed")

    cache = ByteLimitedCache[Block](100, 4)
    waiting = [asyncio.create_task(cache.get("a", fail)) for _ in range(3)]
    await asyncio.sleep(0)
    loader.released.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OSError] * 3
    assert (await cache.get("a", loader)).nbytes == 10
    assert loader.calls == 2


async def test_a_cancelled_caller_does_not_cancel_the_load_for_others(loader: Loader) -> None:
    cache = ByteLimitedCache[Block](100, 4)
    cancelled = asyncio.create_task(cache.get("a", loader))
    patient = asyncio.create_task(cache.get("a", loader))
    await asyncio.sleep(0)
    cancelled.cancel()
    await asyncio.sleep(0)
    loader.released.set()
    assert (await patient).nbytes == 10
    assert loader.calls == 1


async def test_a_discarded_value_is_loaded_again(loader: Loader) -> None:
    cache = ByteLimitedCache[Block](100, 4)
    loader.released.set()
    await cache.get("a", loader)
    cache.discard("a")
    cache.discard("a")
    assert cache.nbytes == 0
    await cache.get("a", loader)
    assert loader.calls == 2
