"""What is remembered, for how long, and who waits for whom."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from tasks.results.cache import BlockCache


@dataclass(frozen=True)
class Block:
    nbytes: int


class Reader:
    """Counts how often it was asked, and answers when it is told to."""

    def __init__(self, nbytes: int = 10) -> None:
        self.asked = 0
        self.most_at_once = 0
        self.allowed = asyncio.Event()
        self._now = 0
        self._nbytes = nbytes

    async def __call__(self) -> Block:
        self.asked += 1
        self._now += 1
        self.most_at_once = max(self.most_at_once, self._now)
        await self.allowed.wait()
        self._now -= 1
        return Block(self._nbytes)


@pytest.fixture
async def reader() -> Reader:
    return Reader()


async def test_what_is_known_is_not_read_again(reader: Reader) -> None:
    cache = BlockCache[Block](100, 4)
    reader.allowed.set()
    first = await cache.get("a", reader)
    assert await cache.get("a", reader) is first
    assert reader.asked == 1


async def test_readers_of_the_same_at_the_same_time_share_one_reading(reader: Reader) -> None:
    cache = BlockCache[Block](100, 4)
    waiting = [asyncio.create_task(cache.get("a", reader)) for _ in range(20)]
    await asyncio.sleep(0)
    reader.allowed.set()
    assert len({id(block) for block in await asyncio.gather(*waiting)}) == 1
    assert reader.asked == 1


async def test_no_more_bytes_are_kept_than_there_is_room_for() -> None:
    cache = BlockCache[Block](35, 4)
    for key, nbytes in (("a", 10), ("b", 10), ("c", 10)):
        reader = Reader(nbytes)
        reader.allowed.set()
        await cache.get(key, reader)
    assert cache.nbytes == 30
    known, new = Reader(), Reader(20)
    new.allowed.set()
    await cache.get("a", known)
    await cache.get("d", new)
    assert cache.nbytes == 30
    await cache.get("a", known)
    assert known.asked == 0, "the one used last was forgotten"
    known.allowed.set()
    await cache.get("b", known)
    assert known.asked == 1


async def test_a_block_larger_than_all_room_is_given_and_not_kept() -> None:
    cache = BlockCache[Block](5, 4)
    reader = Reader()
    reader.allowed.set()
    assert (await cache.get("a", reader)).nbytes == 10
    assert cache.nbytes == 0


async def test_only_so_many_are_read_at_once(reader: Reader) -> None:
    cache = BlockCache[Block](1000, 3)
    waiting = [asyncio.create_task(cache.get(key, reader)) for key in range(10)]
    for _ in range(5):
        await asyncio.sleep(0)
    reader.allowed.set()
    await asyncio.gather(*waiting)
    assert (reader.asked, reader.most_at_once) == (10, 3)


async def test_a_failure_is_told_to_all_and_not_remembered(reader: Reader) -> None:
    async def fail() -> Block:
        await reader()
        raise OSError("gone")

    cache = BlockCache[Block](100, 4)
    waiting = [asyncio.create_task(cache.get("a", fail)) for _ in range(3)]
    await asyncio.sleep(0)
    reader.allowed.set()
    outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OSError] * 3
    assert (await cache.get("a", reader)).nbytes == 10
    assert reader.asked == 2


async def test_who_gives_up_does_not_take_it_from_the_others(reader: Reader) -> None:
    cache = BlockCache[Block](100, 4)
    impatient = asyncio.create_task(cache.get("a", reader))
    patient = asyncio.create_task(cache.get("a", reader))
    await asyncio.sleep(0)
    impatient.cancel()
    await asyncio.sleep(0)
    reader.allowed.set()
    assert (await patient).nbytes == 10
    assert reader.asked == 1


async def test_what_was_forgotten_is_read_anew(reader: Reader) -> None:
    cache = BlockCache[Block](100, 4)
    reader.allowed.set()
    await cache.get("a", reader)
    cache.forget("a")
    cache.forget("a")
    assert cache.nbytes == 0
    await cache.get("a", reader)
    assert reader.asked == 2
