"""One piece in use, one on its way, and none left behind."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from tasks.results.prefetch import prefetch


class Pieces:
    """Reads numbers, of which `bad` can't be read and those from `slow` on take for ever."""

    def __init__(self, bad: int = -1, slow: int = 10**9) -> None:
        self.begun: list[int] = []
        self.cancelled: list[int] = []
        self._bad = bad
        self._slow = slow

    async def read(self, number: int) -> int:
        self.begun.append(number)
        try:
            await asyncio.sleep(0 if number < self._slow else 3600)
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise
        if number == self._bad:
            raise OSError(number)
        return number


@pytest.mark.parametrize("count", [0, 1, 2, 3, 10])
async def test_all_come_in_order(count: int) -> None:
    assert [piece async for piece in prefetch(range(count), Pieces().read)] == list(range(count))


async def test_never_more_than_the_next_one_is_on_its_way() -> None:
    pieces = Pieces()
    async for piece in prefetch(range(10), pieces.read):
        await asyncio.sleep(0.001)
        assert pieces.begun[-1] <= piece + 1
    assert pieces.begun == list(range(10))


async def test_a_failure_stops_the_next_one() -> None:
    pieces = Pieces(bad=2, slow=3)
    numbers = prefetch(range(10), pieces.read)
    assert [await anext(numbers), await anext(numbers)] == [0, 1]
    with pytest.raises(OSError, match="2"):
        await anext(numbers)
    assert (pieces.begun, pieces.cancelled) == ([0, 1, 2, 3], [3])


async def test_who_stops_listening_stops_the_next_one() -> None:
    pieces = Pieces(slow=2)
    async with aclosing(prefetch(range(10), pieces.read)) as numbers:
        await anext(numbers)
        await anext(numbers)
        await asyncio.sleep(0)
    assert pieces.cancelled == [2]
