"""Limits the submissions of each caller per minute, counted in the job store across all API processes.

Uses a sliding window counter: submissions of the previous minute count in proportion to its remaining overlap, so a
caller cannot submit at twice the rate around the turn of a minute. The submit script enforces the limits of open jobs.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from limits import RateLimitItemPerMinute
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from tasks.errors import RateLimited
from tasks.storage.redis import async_client, translate_errors

if TYPE_CHECKING:
    import redis.asyncio

    from tasks.callers import Caller
    from tasks.settings import JobSettings

_WINDOW = timedelta(minutes=1)
_MIN_RETRY_AFTER = timedelta(seconds=1)


class _Storage(RedisStorage):
    """The library's storage, with a client of ours in place of one that it creates."""

    def __init__(self, client: redis.asyncio.Redis, key_prefix: str) -> None:
        self._client = client
        super().__init__("async+redis://", implementation="redispy", key_prefix=key_prefix)

    def configure_bridge(self) -> None:
        """Called by the library."""
        self.bridge.connection_getter = lambda _: self._client  # type: ignore[attr-defined] # of this implementation


class SubmissionRateLimiter:
    """Counts submissions per caller."""

    def __init__(self, client: redis.asyncio.Redis, settings: JobSettings) -> None:
        self._client = client
        self._limiter = SlidingWindowCounterRateLimiter(_Storage(client, f"{settings.key_prefix}@rates"))

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """A limiter with its own connection, opened on first use."""
        return cls(async_client(settings), settings)

    async def close(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    async def count_submission(self, caller: Caller) -> None:
        """Count one submission of the caller. Callers without limits are not counted.

        Raises:
            RateLimited: the caller has reached its limit. Refused submissions are not counted.
            BackendUnavailable: the store did not respond.
        """
        if caller.limits is None:
            return
        limit = RateLimitItemPerMinute(caller.limits.submissions_per_minute)
        with translate_errors():
            if await self._limiter.hit(limit, caller.owner):
                return
            reset_at, _ = await self._limiter.get_window_stats(limit, caller.owner)
        remaining = timedelta(seconds=reset_at - time.time())
        raise RateLimited(
            f"rate limit exceeded: at most {limit.amount} submissions per minute",
            max(_MIN_RETRY_AFTER, min(remaining, _WINDOW)),
        )
