"""How an API process talks to the job store: asynchronously, answered within the time limits below, and never twice.

A store that is down, frozen, loading, full or read-only is BackendUnavailable: a caller is answered, not hung on.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio.connection import AbstractConnection as Connection

    from tasks.settings import JobSettings

# With the time to connect, a frozen store is answered for in less than 2.5 s.
ANSWER_TIMEOUT = timedelta(seconds=2)
CONNECT_TIMEOUT = timedelta(seconds=1)

# A request in need of one more waits its turn, for a millisecond or so: opening hundreds at once takes far longer.
CONNECTIONS = 16


class FairPool(redis.asyncio.ConnectionPool):
    """Connections for which callers wait in the order in which they came, and no longer than for an answer.

    In the client's BlockingConnectionPool whoever comes just as one is free passes all who wait: with a hundred callers
    at once some were never served.
    """

    def __init__(self, *, max_connections: int, **options: Any) -> None:  # noqa: ANN401 - the client's own
        super().__init__(max_connections=max_connections, **options)
        self._turns = asyncio.Semaphore(max_connections)
        self._given: set[Connection] = set()

    async def get_connection(self, *_: object, **__: object) -> Connection:
        """A connection, as soon as it is this caller's turn. The client calls this with arguments that mean nothing."""
        # Not until the caller's own time is up: in Python 3.11 that can pass unnoticed while a command is sent, whose
        # answer would then be waited for too.
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds()):
            await self._turns.acquire()
        try:
            connection: Connection = await super().get_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._turns.release()
            raise
        self._given.add(connection)
        return connection

    async def release(self, connection: Connection) -> None:
        """Give it to whoever has waited longest. Goes on to the end though the caller is cancelled meanwhile."""
        await asyncio.shield(self._take_back(connection))

    async def _take_back(self, connection: Connection) -> None:
        try:
            await super().release(connection)
        finally:
            # One that could not be opened was taken back by the client itself, and given to nobody.
            if connection in self._given:
                self._given.remove(connection)
                self._turns.release()


def pool(settings: JobSettings, connections: int = CONNECTIONS) -> FairPool:
    """Connections that are opened when first needed."""
    return FairPool.from_url(
        settings.broker_url,
        max_connections=connections,
        # Saves the handshake's round trips; nothing of the newer protocol is used.
        protocol=2,
        driver_info=None,
        socket_timeout=ANSWER_TIMEOUT.total_seconds(),
        socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
        socket_keepalive=True,
        retry=Retry(NoBackoff(), retries=0),
    )


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Turn every way in which a store fails to answer into the one expected failure.

    A caller that is cancelled meanwhile ends as cancelled, though in Python 3.11 the client drops a cancellation that
    comes while it sends.
    """
    cancelled_before = _cancellations()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds() + 0.3):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise BackendUnavailable from error
    if _cancellations() > cancelled_before:
        raise asyncio.CancelledError


def _cancellations() -> int:
    """How many times the task that runs has been cancelled, and has not been let off."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
