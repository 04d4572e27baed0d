"""How an API process talks to the job store: asynchronously, answered within the time limits below, and never twice.

A store that is down, frozen, loading, full or read-only is BackendUnavailable: a caller is answered, not hung on.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.settings import JobSettings

# With the time to connect, a frozen store is answered for in less than 2.5 s.
ANSWER_TIMEOUT = timedelta(seconds=2)
CONNECT_TIMEOUT = timedelta(seconds=1)

# A request in need of one more waits its turn, for a millisecond or so: opening hundreds at once takes far longer.
CONNECTIONS = 16


def pool(settings: JobSettings, connections: int = CONNECTIONS) -> redis.asyncio.BlockingConnectionPool:
    """Connections that are opened when first needed."""
    return redis.asyncio.BlockingConnectionPool.from_url(
        settings.broker_url,
        max_connections=connections,
        timeout=ANSWER_TIMEOUT.total_seconds(),
        # Saves the handshake's round trips; nothing of the newer protocol is used.
        protocol=2,
        driver_info=None,
        socket_timeout=ANSWER_TIMEOUT.total_seconds(),
        socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
        socket_keepalive=True,
        retry=Retry(NoBackoff(), retries=0),
    )


@asynccontextmanager
async def answering() -> AsyncIterator[None]:
    """Turn every way in which a store fails to answer into the one expected failure."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT.total_seconds() + 0.3):
            yield
    except (RedisError, OSError, TimeoutError) as error:
        raise BackendUnavailable from error
