"""Callers share fewer connections, in order of arrival, each within a fixed time."""

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
CONNECTIONS = 2


async def test_waiting_callers_are_served_in_order_of_arrival(settings: JobSettings) -> None:
    shared = connection_pool(settings, CONNECTIONS)
    # Open all connections first: opening one delays its caller.
    for opened in [await shared.get_connection() for _ in range(CONNECTIONS)]:
        await shared.release(opened)
    turns = [0] * CALLERS
    leads: list[int] = []

    async def take_turns(caller: int) -> None:
        for _ in range(TURNS):
            connection = await shared.get_connection()
            turns[caller] += 1
            leads.append(max(turns) - min(turns))
            await connection.send_command("PING")
            await connection.read_response()
            await shared.release(connection)

    await asyncio.gather(*map(take_turns, range(CALLERS)))
    await shared.aclose()
    # Turns that use different connections end in any order.
    assert max(leads) <= CONNECTIONS, leads


async def test_waiting_for_a_connection_times_out(settings: JobSettings) -> None:
    shared = connection_pool(settings, 1)
    connection = await shared.get_connection()
    async with asyncio.timeout(20):
        with pytest.raises(TimeoutError):
            await shared.get_connection()
    await shared.release(connection)
    await shared.aclose()


async def test_caller_that_stopped_waiting_does_not_take_a_connection(settings: JobSettings) -> None:
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


async def test_timeout_of_the_caller_is_never_lost(settings: JobSettings) -> None:
    """At any moment: while connecting, sending, or waiting for the response."""
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
