"""How often a caller may submit: counted in the job store, for all API processes together.

A window that slides: what was counted in the minute before weighs as much as is left of it, so nobody gets twice the
rate at the turn of a minute. What a caller may have open needs no clock and is exact: the submit script sees to it.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from tasks.errors import RateLimited
from tasks.storage.redis import connection_pool, translate_errors

if TYPE_CHECKING:
    from tasks.callers import Caller
    from tasks.settings import JobSettings
    from tasks.storage.redis import FifoConnectionPool

_CONNECTIONS = 4
_WINDOW = timedelta(minutes=1)
_SHORTEST_RETRY_AFTER = timedelta(seconds=1)


class SubmissionRateLimiter:
    """The counters of all callers."""

    def __init__(self, connections: FifoConnectionPool, settings: JobSettings) -> None:
        self._connections = connections
        storage = RedisStorage(
            f"async+{settings.redis_url}",
            implementation="redispy",
            key_prefix=f"{settings.key_prefix}@rates",
            connection_pool=connections,  # type: ignore[arg-type] # passed on to the client
        )
        self._limiter = SlidingWindowCounterRateLimiter(storage)

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """With connections of its own, opened when first needed."""
        return cls(connection_pool(settings, _CONNECTIONS), settings)

    async def close(self) -> None:
        """Close all connections."""
        await self._connections.aclose()

    async def count_submission(self, caller: Caller) -> None:
        """A submission of this caller's; of one without limits nothing is counted.

        Raises:
            RateLimited: there were as many within a minute as one may have. A refused one does not count.
            BackendUnavailable: the store does not answer.
        """
        if caller.limits is None:
            return
        limit = RateLimitItemPerMinute(caller.limits.submissions_per_minute)
        async with translate_errors():
            if await self._limiter.hit(limit, caller.owner):
                return
            reset_at, _ = await self._limiter.get_window_stats(limit, caller.owner)
        left = timedelta(seconds=reset_at - time.time())
        raise RateLimited(
            f"{limit.amount} submissions a minute are this caller's share",
            max(_SHORTEST_RETRY_AFTER, min(left, _WINDOW)),
        )
