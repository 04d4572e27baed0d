"""Connections are shared by more callers than there are of them, in turn."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tasks.api.job_store import JobStore
from tasks.storage.redis import connection_pool

if TYPE_CHECKING:
    from tasks.settings import JobSettings

CALLERS = 20
TURNS = 20
# So many turns are under way at a time, and end in any order.
AT_ONCE = 2


async def test_whoever_asks_again_and_again_passes_nobody_who_waits(settings: JobSettings) -> None:
    shared = connection_pool(settings, AT_ONCE)
    # Whose connection is still to be opened would come a bit later to his turn.
    for opened in [await shared.get_connection() for _ in range(AT_ONCE)]:
        await shared.release(opened)
    turns = [0] * CALLERS
    ahead: list[int] = []

    async def ask_again_and_again(caller: int) -> None:
        for _ in range(TURNS):
            connection = await shared.get_connection()
            turns[caller] += 1
            ahead.append(max(turns) - min(turns))
            await connection.send_command("PING")
            await connection.read_response()
            await shared.release(connection)

    await asyncio.gather(*map(ask_again_and_again, range(CALLERS)))
    await shared.aclose()
    assert max(ahead) <= AT_ONCE, ahead


async def test_nobody_waits_longer_for_a_turn_than_for_an_answer(settings: JobSettings) -> None:
    shared = connection_pool(settings, 1)
    connection = await shared.get_connection()
    async with asyncio.timeout(20):
        with pytest.raises(TimeoutError):
            await shared.get_connection()
    await shared.release(connection)
    await shared.aclose()


async def test_a_caller_that_gave_up_waiting_takes_no_turn(settings: JobSettings) -> None:
    shared = connection_pool(settings, 1)
    connection = await shared.get_connection()
    for _ in range(3):
        try:
            async with asyncio.timeout(0.01):
                await shared.get_connection()
        except TimeoutError:
            continue
    await shared.release(connection)
    async with asyncio.timeout(5):
        await shared.release(await shared.get_connection())
    await shared.aclose()


async def test_a_caller_whose_time_is_up_is_not_answered_all_the_same(settings: JobSettings) -> None:
    """Whenever that is: while connecting, sending, or waiting for the answer."""
    for microseconds in range(0, 4_000, 10):
        store = JobStore.connect(settings)
        try:
            async with asyncio.timeout(microseconds / 1_000_000) as limit:
                await store.get_system_state()
            assert not limit.expired()
        except TimeoutError:
            continue
        finally:
            await store.close()
