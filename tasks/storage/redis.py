"""Clients of the job store. The API's never retry and always answer in time; a worker's may retry through a restart.

In the API, a store that is down, frozen, loading, full or read-only raises BackendUnavailable within a fixed time.
"""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.exceptions import NoPermissionError, RedisError
from redis.retry import Retry as SyncRetry

from tasks.errors import BackendUnavailable, StorePermissionMissing
from tasks.storage.shared_connection import SharedConnectionClient

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tasks.settings import JobSettings
    from tasks.settings.store_url import StoreUrl

# From the call to the reply, including the time to connect.
RESPONSE_TIMEOUT = timedelta(seconds=2)
CONNECT_TIMEOUT = timedelta(seconds=1)


class _Connections(NamedTuple):
    """redis-py's classes of connections, for TCP without and with TLS, and for a socket in the file system."""

    plain: type[object]
    tls: type[object]
    socket: type[object]


_SYNC = _Connections(redis.Connection, redis.SSLConnection, redis.UnixDomainSocketConnection)
_ASYNC = _Connections(redis.asyncio.Connection, redis.asyncio.SSLConnection, redis.asyncio.UnixDomainSocketConnection)


def async_client(settings: JobSettings) -> SharedConnectionClient:
    """An asyncio client. Its connection is opened on first use."""
    pool = redis.asyncio.ConnectionPool(
        **_address(settings.store, _ASYNC),
        # Version 3 needs more round trips to connect, and none of its features are used.
        protocol=2,
        driver_info=None,
        socket_timeout=RESPONSE_TIMEOUT.total_seconds(),
        socket_connect_timeout=CONNECT_TIMEOUT.total_seconds(),
        retry=Retry(NoBackoff(), retries=0),
    )
    return SharedConnectionClient(pool, RESPONSE_TIMEOUT)


def sync_client(
    settings: JobSettings, connect_seconds: float, response_seconds: float, retries: int = 0
) -> redis.Redis:
    """A blocking client, for workers, probes and metrics. Connections are opened on first use: safe before a fork."""
    pool = redis.ConnectionPool(
        **_address(settings.store, _SYNC),
        socket_timeout=response_seconds,
        socket_connect_timeout=connect_seconds,
        retry=SyncRetry(ExponentialWithJitterBackoff(base=0.05, cap=1), retries=retries),
    )
    return redis.Redis.from_pool(pool)


def _address(store: StoreUrl, connections: _Connections) -> dict[str, Any]:
    """The arguments of a pool that say where the store is. The same for every client, from the one parsed URL."""
    if store.socket is not None:
        return store.client_options | {"connection_class": connections.socket}
    connection_class = connections.plain if store.tls is None else connections.tls
    return store.client_options | {"connection_class": connection_class, "socket_keepalive": True}


@contextmanager
def translate_errors() -> Iterator[None]:
    """Raise BackendUnavailable for every way in which the store fails to respond in time."""
    try:
        yield
    except NoPermissionError as error:
        raise StorePermissionMissing from error
    except (RedisError, OSError, TimeoutError) as error:
        raise BackendUnavailable from error
