"""LRU cache with a size limit in bytes, for asyncio. Concurrent requests for one missing key share a single load."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from cachetools import LRUCache

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable


class Sized(Protocol):
    """A value that knows its size in memory, such as a numpy array."""

    @property
    def nbytes(self) -> int:
        """Size in bytes."""
        ...


V = TypeVar("V", bound=Sized)


class ByteLimitedCache(Generic[V]):
    """Values by key; evicts the least recently used. For one event loop.

    Args:
        max_bytes: bytes of all cached values together. A larger value is returned but not cached.
        max_loads: loads that run at the same time; further ones queue, which bounds memory.
    """

    def __init__(self, max_bytes: int, max_loads: int) -> None:
        self._values: LRUCache[Hashable, V] = LRUCache(max_bytes, getsizeof=lambda value: value.nbytes)
        self._loads: dict[Hashable, asyncio.Task[V]] = {}
        self._slots = asyncio.Semaphore(max_loads)

    @property
    def nbytes(self) -> int:
        """Bytes of all cached values together."""
        return int(self._values.currsize)

    async def get(self, key: Hashable, load: Callable[[], Awaitable[V]]) -> V:
        """Returns the cached value, or the one that `load` returns. An exception reaches all callers; it is not cached.

        `load` needs its own timeout: it keeps running when every caller has been cancelled.
        """
        if (value := self._values.get(key)) is not None:
            return value
        if (task := self._loads.get(key)) is None:
            task = self._loads[key] = asyncio.create_task(self._load(key, load))
            # Retrieves the exception even if every caller was cancelled; asyncio would report it as never retrieved.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
        # Shielded: a caller that is cancelled must not cancel the load for the others.
        return await asyncio.shield(task)

    def discard(self, key: Hashable) -> None:
        """Removes the key, if it is cached: the next `get` loads it again."""
        self._values.pop(key, None)

    async def _load(self, key: Hashable, load: Callable[[], Awaitable[V]]) -> V:
        try:
            async with self._slots:
                value = await load()
        finally:
            del self._loads[key]
        # ValueError: larger than the whole cache.
        with suppress(ValueError):
            self._values[key] = value
        return value
