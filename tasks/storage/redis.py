"""Clients of the job store. The API's never retry and always answer in time; a worker's may retry through a restart.

In the API, a store that is down, frozen, loading, full or read-only raises BackendUnavailable within a fixed time.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as SyncRetry

from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio.connection import AbstractConnection as Connection

    from tasks.settings import JobSettings

# Together with the time to connect, a frozen store is reported in less than 2.5 s.
RESPONSE_TIMEOUT = timedelta(seconds=2)
CONNECT_TIMEOUT = timedelta(seconds=1)

# For the timer of the outer limit to fire after the client's own timeouts.
_TIMEOUT_MARGIN_SECONDS = 0.3

# Connections per pool. A request that finds none free waits about a millisecond; opening hundreds at once takes longer.
MAX_CONNECTIONS = 16


class FifoConnectionPool(redis.asyncio.ConnectionPool):
    """A bounded pool that serves waiting callers in order of arrival, each within RESPONSE_TIMEOUT.

    The client's BlockingConnectionPool gives a released connection to the next caller that asks, ahead of all those
    that wait: with a hundred concurrent callers, some were never served.
    """

    def __init__(self, *, max_connections: int, **options: Any) -> None:  # noqa: ANN401 - the client's own
        super().__init__(max_connections=max_connections, **options)
        self._free = asyncio.Semaphore(max_connections)
        self._in_use: set[Connection] = set()

    async def get_connection(self, *_: object, **__: object) -> Connection:
        """Return a connection when it is this caller's turn. The client passes arguments that have no meaning."""
        # Its own timeout, not only the caller's: in Python 3.11 a caller's timeout can be lost while a command is sent,
        # and the response would be waited for as well.
        async with asyncio.timeout(RESPONSE_TIMEOUT.total_seconds()):
            await self._free.acquire()
        try:
            connection: Connection = await super().get_connection()  # type: ignore[no-untyped-call]
        except BaseException:
            self._free.release()
            raise
        self._in_use.add(connection)
        return connection

    async def release(self, connection: Connection) -> None:
        """Return a connection to the pool. Completes even if the caller is cancelled meanwhile."""
        await asyncio.shield(self._release(connection))

    async def _release(self, connection: Connection) -> None:
        try:
            await super().release(connection)
        finally:
            # The client also releases a connection that could not be opened, which was never given out.
            if connection in self._in_use:
                self._in_use.remove(connection)
                self._free.release()


def connection_pool(settings: JobSettings, max_connections: int = MAX_CONNECTIONS) -> FifoConnectionPool:
    """A pool for asyncio clients. Connections are opened on first use."""
    return FifoConnectionPool.from_url(
        settings.broker_url,
        max_connections=max_connections,
        # Version 3 needs more round trips to connect, and none of its features are used.
        protocol=2,
        driver_info=None,
        socket_timeout=RESPONSE_TIMEOUT.total_seconds(),
        socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
        socket_keepalive=True,
        retry=Retry(NoBackoff(), retries=0),
    )


def sync_client(
    settings: JobSettings, connect_seconds: float, response_seconds: float, retries: int = 0
) -> redis.Redis:
    """A blocking client, for workers, probes and metrics. Connections are opened on first use: safe before a fork."""
    return redis.Redis.from_url(
        settings.broker_url,
        socket_timeout=response_seconds,
        socket_connect_timeout=connect_seconds,
        socket_keepalive=True,
        retry=SyncRetry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries=retries),
    )


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Raise BackendUnavailable for every way in which the store fails to respond in time.

    A caller that is cancelled meanwhile ends as cancelled: in Python 3.11 the client loses a cancellation that arrives
    while it sends.
    """
    cancelled_before = _cancellations()
    try:
        async with asyncio.timeout(RESPONSE_TIMEOUT.total_seconds() + _TIMEOUT_MARGIN_SECONDS):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise BackendUnavailable from error
    if _cancellations() > cancelled_before:
        raise asyncio.CancelledError


def _cancellations() -> int:
    """Number of cancellation requests of the current task that were not taken back."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
