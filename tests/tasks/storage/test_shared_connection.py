"""Callers share one connection: each gets its own reply or an error in time, whatever happens to the others."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import redis.asyncio
from redis.asyncio.connection import Connection
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import ResponseError

from tasks.api.job_store import JobStore
from tasks.storage.redis import async_client
from tasks.storage.shared_connection import SharedConnectionClient
from tests.stopwatch import Stopwatch
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis import Redis

    from tasks.settings import JobSettings

TIMEOUT = timedelta(seconds=0.2)
COMMAND = b"*2\r\n$3\r\nGET\r\n"


class ScriptedServer:
    """A server that sends what a test writes, and keeps what it receives on each connection."""

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.writers: list[asyncio.StreamWriter] = []
        self.is_closed: list[bool] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = len(self.writers)
        self.writers.append(writer)
        self.received.append(b"")
        self.is_closed.append(False)
        while data := await reader.read(65_536):
            self.received[number] += data
        self.is_closed[number] = True
        writer.close()

    async def wait_for_commands(self, count: int, connection: int = 0) -> None:
        async def arrived() -> bool:
            return len(self.received) > connection and self.received[connection].count(COMMAND) == count

        await eventually(arrived)

    def reply(self, text: str, connection: int = 0) -> None:
        self.writers[connection].write(b"+%s\r\n" % text.encode())


async def get(client: SharedConnectionClient, key: str) -> object:
    return await client.get(key)


@asynccontextmanager
async def scripted_server(limit: timedelta = TIMEOUT) -> AsyncIterator[tuple[ScriptedServer, SharedConnectionClient]]:
    script = ScriptedServer()
    async with await asyncio.start_server(script.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        pool = redis.asyncio.ConnectionPool.from_url(f"redis://127.0.0.1:{port}", protocol=2, driver_info=None)
        client = SharedConnectionClient(pool, limit)
        yield script, client
        await client.aclose()


@pytest_asyncio.fixture
async def client(settings: JobSettings) -> AsyncIterator[SharedConnectionClient]:
    client = async_client(settings)
    yield client
    await client.aclose()


async def test_commands_of_one_iteration_take_one_write_on_one_connection(
    client: SharedConnectionClient, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await client.ping()
    writes = []
    send = Connection.send_packed_command

    async def counted(self: Connection, command: Any, check_health: bool = True) -> None:
        writes.append(command)
        await send(self, command, check_health)

    monkeypatch.setattr(Connection, "send_packed_command", counted)
    before = redis_client.info("stats")["total_connections_received"]
    assert await asyncio.gather(*(client.echo(str(i)) for i in range(100))) == [str(i).encode() for i in range(100)]
    assert redis_client.info("stats")["total_connections_received"] == before
    assert [len(commands) for commands in writes] == [100]


async def test_replies_of_one_read_are_spread_over_iterations_of_the_event_loop() -> None:
    """Otherwise all callers would send their next commands together, and wait for the server together."""
    callers, iteration, resumed = 12, 0, []

    async def call(client: SharedConnectionClient, number: int) -> None:
        await get(client, str(number))
        resumed.append(iteration)

    async with scripted_server() as (server, client):
        calls = [asyncio.create_task(call(client, number)) for number in range(callers)]
        await server.wait_for_commands(callers)
        for number in range(callers):
            server.reply(str(number))
        while len(resumed) < callers:
            await asyncio.sleep(0)
            iteration += 1
        await asyncio.gather(*calls)
    assert max(Counter(resumed).values()) < callers / 2


async def test_an_error_reply_is_raised_for_its_caller_only(client: SharedConnectionClient) -> None:
    commands = ("ECHO", "first"), ("NONSENSE",), ("ECHO", "last")
    first, error, last = await asyncio.gather(
        *(client.execute_command(*command) for command in commands), return_exceptions=True
    )
    assert (first, last) == (b"first", b"last")
    assert isinstance(error, ResponseError)


async def test_replies_are_parsed_as_by_the_client_itself(client: SharedConnectionClient, prefix: str) -> None:
    assert await client.hset(f"{prefix}@keys", mapping={"a": "1", "b": "2"}) == 2
    assert await client.hgetall(f"{prefix}@keys") == {b"a": b"1", b"b": b"2"}
    assert (await client.info("server"))["tcp_port"]
    assert len(await client.script_load("return 1")) == 40


async def test_a_cancelled_caller_does_not_shift_the_replies_of_others() -> None:
    async with scripted_server() as (server, client):
        calls = [asyncio.create_task(get(client, name)) for name in "abc"]
        await server.wait_for_commands(3)
        calls[1].cancel()
        for name in "abc":
            server.reply(name)
        assert (await calls[0], await calls[2]) == (b"a", b"c")
        assert calls[1].cancelled()


async def test_a_caller_cancelled_while_connecting_does_not_stop_the_others() -> None:
    async with scripted_server() as (server, client):
        calls = [asyncio.create_task(get(client, name)) for name in "ab"]
        await asyncio.sleep(0)
        calls[0].cancel()
        await server.wait_for_commands(2)
        server.reply("a")
        server.reply("b")
        assert await calls[1] == b"b"
        assert len(server.writers) == 1


async def test_after_a_timeout_the_next_command_uses_a_new_connection() -> None:
    async with scripted_server() as (server, client):
        with pytest.raises(TimeoutError, match=r"no reply within 0\.2 s"):
            await get(client, "silent")
        next_call = asyncio.create_task(get(client, "next"))
        await server.wait_for_commands(1, connection=1)
        server.reply("too late", connection=0)
        server.reply("next", connection=1)
        assert await next_call == b"next"

        async def is_closed() -> bool:
            return server.is_closed == [True, False]

        await eventually(is_closed)


async def test_commands_on_a_slow_connection_keep_their_own_time() -> None:
    async with scripted_server() as (server, client):
        first = asyncio.create_task(get(client, "first"))
        await server.wait_for_commands(1)
        await asyncio.sleep(TIMEOUT.total_seconds() / 2)
        second = asyncio.create_task(get(client, "second"))
        await server.wait_for_commands(2)
        with pytest.raises(TimeoutError):
            await first
        server.reply("first")
        server.reply("second")
        assert await second == b"second"


async def test_each_caller_of_a_silent_server_fails_in_time() -> None:
    async with scripted_server() as (server, client):

        async def until_timeout() -> Stopwatch:
            with Stopwatch() as watch, pytest.raises(TimeoutError):
                await get(client, "silent")
            return watch

        calls = []
        for _ in range(5):
            calls.append(asyncio.create_task(until_timeout()))
            await asyncio.sleep(TIMEOUT.total_seconds() / 10)
        watches = await asyncio.gather(*calls)
        assert min(watch.elapsed for watch in watches) >= TIMEOUT.total_seconds()
        assert max(watch.seconds for watch in watches) < 2 * TIMEOUT.total_seconds()

        async def are_closed() -> bool:
            return all(server.is_closed)

        await eventually(are_closed)


async def test_a_lost_connection_fails_all_commands_once_and_is_replaced() -> None:
    async with scripted_server() as (server, client):
        calls = [asyncio.create_task(get(client, name)) for name in "ab"]
        await server.wait_for_commands(2)
        server.reply("a")
        server.writers[0].close()
        assert await calls[0] == b"a"
        with pytest.raises(ConnectionLost):
            await calls[1]
        again = asyncio.create_task(get(client, "c"))
        await server.wait_for_commands(1, connection=1)
        server.reply("c", connection=1)
        assert await again == b"c"
        # Neither was sent again.
        assert [received.count(COMMAND) for received in server.received] == [2, 1]


async def test_closing_fails_the_commands_that_wait() -> None:
    async with scripted_server(timedelta(seconds=30)) as (server, client):
        call = asyncio.create_task(get(client, "a"))
        await server.wait_for_commands(1)
        await client.aclose()
        with pytest.raises(ConnectionLost):
            await call


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
