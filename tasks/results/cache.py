"""What was read last, up to a number of bytes; readers of the same thing at the same time share one reading."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable


class Sized(Protocol):
    """What knows how many bytes of memory it takes."""

    @property
    def nbytes(self) -> int:
        """That number."""
        ...


V = TypeVar("V", bound=Sized)


class BlockCache(Generic[V]):
    """Values by key, the longest unused forgotten first. For one event loop.

    Args:
        capacity: bytes of all values together.
        concurrency: values that are read at the same time; others wait their turn, so that memory has a bound.
    """

    def __init__(self, capacity: int, concurrency: int) -> None:
        self._capacity = capacity
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._loading: dict[Hashable, asyncio.Task[V]] = {}
        self._turns = asyncio.Semaphore(concurrency)
        self.nbytes = 0

    async def get(self, key: Hashable, load: Callable[[], Awaitable[V]]) -> V:
        """The value of a key, read by `load` unless it is known; a failure is told to all who wait, and forgotten.

        `load` must come to an end by itself: it goes on when those who wait for it do not.
        """
        if (value := self._values.get(key)) is not None:
            self._values.move_to_end(key)
            return value
        if (task := self._loading.get(key)) is None:
            task = asyncio.create_task(self._load(key, load))
            self._loading[key] = task
            task.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(task)

    def forget(self, key: Hashable) -> None:
        """Read it anew the next time."""
        if (value := self._values.pop(key, None)) is not None:
            self.nbytes -= value.nbytes

    async def _load(self, key: Hashable, load: Callable[[], Awaitable[V]]) -> V:
        async with self._turns:
            value = await load()
        self.forget(key)
        self._values[key] = value
        self.nbytes += value.nbytes
        while self.nbytes > self._capacity:
            self.forget(next(iter(self._values)))
        return value

    def _loaded(self, key: Hashable, task: asyncio.Task[V]) -> None:
        del self._loading[key]
        if not task.cancelled():
            # Seen here, for the case that nobody waits any more.
            task.exception()
