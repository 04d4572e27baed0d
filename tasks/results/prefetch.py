"""Reading in order with the next piece on its way while this one is used: waiting and working at the same time."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable

K = TypeVar("K")
V = TypeVar("V")


async def prefetch(keys: Iterable[K], read: Callable[[K], Coroutine[Any, Any, V]]) -> AsyncGenerator[V]:
    """What `read` gives for each key, in order; never more than the one in use and the next."""
    waiting: deque[asyncio.Task[V]] = deque()
    try:
        for key in keys:
            waiting.append(asyncio.create_task(read(key)))
            if len(waiting) > 1:
                yield await waiting.popleft()
        if waiting:
            yield await waiting.popleft()
    finally:
        # Whoever stops listening, or fails with one piece, has no use for the next.
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
