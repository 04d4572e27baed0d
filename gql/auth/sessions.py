"""Sessions: authenticated callers with open requests, streams and sockets in this process.

Nothing here checks credentials: the authenticator creates sessions, and ends them when their credentials are no longer
valid.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from tasks.errors import RateLimited

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from contextlib import AbstractContextManager

    from tasks.callers import Caller

# A stream may end at any moment.
_STREAM_RETRY_AFTER = timedelta(seconds=1)


class Session:
    """One authenticated request or connection. `ended` is set when its credentials are revoked or expire."""

    def __init__(self, sessions: OpenSessions, caller: Caller, key_id: str | None, expires_at: float | None) -> None:
        self._sessions = sessions
        self.caller = caller
        self.key_id = key_id
        self.expires_at = expires_at
        self.ended = asyncio.Event()

    def streaming(self) -> AbstractContextManager[None]:
        """Count one open stream of the caller while the block runs. See schema.context.Access."""
        return self._sessions.streaming(self.caller)

    def revalidating(self) -> AbstractContextManager[None]:
        """While the block runs, `ended` is set as soon as the key is revoked or the credentials expire."""
        return self._sessions.revalidating(self)


class OpenSessions:
    """The sessions that are revalidated, and the number of open streams by caller. One per process."""

    def __init__(self, max_streams: int) -> None:
        self._max_streams = max_streams
        self._sessions: set[Session] = set()
        self._streams: Counter[Caller] = Counter()

    @contextmanager
    def revalidating(self, session: Session) -> Iterator[None]:
        """Include the session in revalidation while the block runs."""
        self._sessions.add(session)
        try:
            yield
        finally:
            self._sessions.discard(session)

    @contextmanager
    def streaming(self, caller: Caller) -> Iterator[None]:
        """Count one open stream of the caller while the block runs.

        Raises:
            RateLimited: the caller has the maximum number of streams open.
        """
        if self._streams[caller] >= self._max_streams:
            raise RateLimited(f"{self._max_streams} streams are open, the maximum for one caller", _STREAM_RETRY_AFTER)
        self._streams[caller] += 1
        try:
            yield
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]

    def key_ids(self) -> set[str]:
        """The ids of the API keys that sessions were opened with."""
        return {session.key_id for session in self._sessions if session.key_id is not None}

    def end_expired(self, now: float) -> None:
        """End the sessions whose credentials expired, by a time in seconds since 1970."""
        for session in self._sessions:
            if session.expires_at is not None and session.expires_at <= now:
                session.ended.set()

    def end_of_keys(self, key_ids: Collection[str]) -> None:
        """End the sessions of these API keys."""
        for session in self._sessions:
            if session.key_id in key_ids:
                session.ended.set()
