"""Reads items in order and fetches the next one while the caller uses the current one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

K = TypeVar("K")
V = TypeVar("V")


async def prefetch(keys: Iterable[K], read: Callable[[K], Coroutine[Any, Any, V]]) -> AsyncGenerator[V]:
    """Yields `read(key)` for each key, in order. At most two items exist: the one in use and the next."""
    pending: deque[asyncio.Task[V]] = deque()
    try:
        for key in keys:
            pending.append(asyncio.create_task(read(key)))
            if len(pending) > 1:
                yield await pending.popleft()
        if pending:
            yield await pending.popleft()
    finally:
        # The caller stopped iterating, or a read failed: the next item is not needed.
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
