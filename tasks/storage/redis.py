"""Clients of the job store. The API's never retry and always answer in time; a worker's may retry through a restart.

In the API, a store that is down, frozen, loading, full or read-only raises BackendUnavailable within a fixed time.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry as SyncRetry

from tasks.errors import BackendUnavailable
from tasks.storage.shared_connection import SharedConnectionClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.settings import JobSettings

# From the call to the reply, including the time to connect.
RESPONSE_TIMEOUT = timedelta(seconds=2)
CONNECT_TIMEOUT = timedelta(seconds=1)


def async_client(settings: JobSettings) -> SharedConnectionClient:
    """An asyncio client. Its connection is opened on first use."""
    pool = redis.asyncio.ConnectionPool.from_url(
        settings.broker_url,
        # Version 3 needs more round trips to connect, and none of its features are used.
        protocol=2,
        driver_info=None,
        socket_timeout=RESPONSE_TIMEOUT.total_seconds(),
        socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
        socket_keepalive=True,
        retry=Retry(NoBackoff(), retries=0),
    )
    return SharedConnectionClient(pool, RESPONSE_TIMEOUT)


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


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise BackendUnavailable for every way in which the store fails to respond in time."""
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        raise BackendUnavailable from error
