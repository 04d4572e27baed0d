"""Order, look-ahead of one, and cancellation of the pending read."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tasks.results.prefetch import prefetch


class Reader:
    """Reads numbers; `bad` raises, and those from `slow` on never finish."""

    def __init__(self, bad: int = -1, slow: int = 10**9) -> None:
        self.started: list[int] = []
        self.cancelled: list[int] = []
        self._bad = bad
        self._slow = slow

    async def read(self, number: int) -> int:
        self.started.append(number)
        try:
            await asyncio.sleep(0 if number < self._slow else 3600)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if number == self._bad:
            raise OSError(number)
        return number


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
async def test_items_are_yielded_in_order(count: int) -> None:
    assert [item async for item in prefetch(range(count), Reader().read)] == list(range(count))


async def test_at_most_one_item_is_read_ahead() -> None:
    reader = Reader()
    async for item in prefetch(range(10), reader.read):
        await asyncio.sleep(0.001)
        assert reader.started[-1] <= item + 1
    assert reader.started == list(range(10))


async def test_a_failure_cancels_the_pending_read() -> None:
    reader = Reader(bad=2, slow=3)
    numbers = prefetch(range(10), reader.read)
    assert [await anext(numbers), await anext(numbers)] == [0, 1]
    with pytest.raises(OSError, match="2"):
        await anext(numbers)
    assert (reader.started, reader.cancelled) == ([0, 1, 2, 3], [3])


async def test_closing_the_iterator_cancels_the_pending_read() -> None:
    reader = Reader(slow=2)
    async with aclosing(prefetch(range(10), reader.read)) as numbers:
        await anext(numbers)
        await anext(numbers)
        await asyncio.sleep(0)
    assert reader.cancelled == [2]
