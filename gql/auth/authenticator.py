"""Lets callers in by what they show, and looks again, for as long as they stay, whether they still may.

A key that was looked up holds for a second without another look: with one caller or a thousand requests a second, the
store is asked once. A token is checked by arithmetic alone. While connections are open, the keys that opened them are
looked up every second, all in one question: so one that was revoked ends what it began, at the latest after two.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cachetools import TTLCache

from gql.auth.api_keys import KeyStore, PresentedKey
from gql.auth.tokens import TokenReader
from tasks.cancellation import cancel_and_wait
from tasks.errors import BackendUnavailable, RateLimited

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from gql.auth.api_keys import KeyRecord
    from gql.settings import ApiSettings
    from tasks.callers import Caller, CallerLimits
    from tasks.settings import JobSettings

log = logging.getLogger(__name__)

_LOOK_AGAIN = timedelta(seconds=1)

# Keys in use at a time, about half a kilobyte each: beyond them the store is asked more often, and that is all.
_KEYS_REMEMBERED = 10_000

# A stream may end at any moment.
_STREAM_RETRY_AFTER = timedelta(seconds=1)

_SCHEME = "bearer "


class NotAuthenticated(Exception):
    """Nothing was shown, or nothing that holds. Which of many reasons it is, is nobody's business."""

    def __init__(self, *, shown: bool) -> None:
        super().__init__(
            "this key or token does not hold" if shown else "show a key or token: `Authorization: Bearer ...`"
        )
        self.shown = shown


class Session:
    """A caller's right to be here, until `ended` is set."""

    def __init__(
        self, authenticator: Authenticator, caller: Caller, key_id: str | None, expires_at: float | None
    ) -> None:
        self._doorkeeper = authenticator
        self.caller = caller
        self.key_id = key_id
        self.expires_at = expires_at
        self.ended = asyncio.Event()

    def streaming(self) -> AbstractContextManager[None]:
        """See schema.context.Access."""
        return self._doorkeeper.streaming(self.caller)

    def watched(self) -> AbstractContextManager[None]:
        """While the block runs, `ended` is set as soon as the key is revoked or what was shown has expired."""
        return self._doorkeeper.watched(self)


class Authenticator:
    """One per process, started and stopped with the application."""

    def __init__(
        self,
        keys: KeyStore | None,
        tokens: TokenReader | None,
        most_streams: int,
        limits: CallerLimits | None = None,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._most_streams = most_streams
        self._limits = limits
        self._known: TTLCache[str, KeyRecord] = TTLCache(_KEYS_REMEMBERED, _LOOK_AGAIN.total_seconds())
        self._inside: set[Session] = set()
        self._streams: Counter[Caller] = Counter()
        self._rounds: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after those who are inside."""
        self._rounds = asyncio.create_task(self._make_rounds(), name="doorkeeper")

    async def stop(self) -> None:
        """Look no more."""
        if self._rounds is not None:
            await cancel_and_wait(self._rounds)
        if self._keys is not None:
            await self._keys.close()
        if self._tokens is not None:
            await self._tokens.close()

    async def admit(self, authorization: str | None) -> Session:
        """Let a caller in.

        Args:
            authorization: as the HTTP header has it.

        Raises:
            NotAuthenticated: it is not `Bearer`, or what it bears does not hold.
            BackendUnavailable: the store with the keys does not answer.
        """
        if not authorization:
            raise NotAuthenticated(shown=False)
        shown = authorization[len(_SCHEME) :].strip() if authorization[: len(_SCHEME)].lower() == _SCHEME else ""
        if self._keys is not None and (key := PresentedKey.read(shown)) is not None:
            return await self._admit_key(self._keys, key)
        if self._tokens is not None and (token := await self._tokens.read(shown)) is not None:
            return Session(self, self._limited(token.caller), None, token.expires_at)
        raise NotAuthenticated(shown=True)

    async def _admit_key(self, keys: KeyStore, shown: PresentedKey) -> Session:
        record = self._known.get(shown.id)
        if record is None:
            record = (await keys.find([shown.id])).get(shown.id)
            if record is not None:
                self._known[shown.id] = record
        if not shown.fits(record) or record is None:
            raise NotAuthenticated(shown=True)
        caller = self._limited(record.caller)
        return Session(self, caller, shown.id, None if record.expires_at is None else record.expires_at.timestamp())

    def _limited(self, caller: Caller) -> Caller:
        return replace(caller, limits=self._limits)

    @contextmanager
    def watched(self, admitted: Session) -> Iterator[None]:
        """See Pass.watched."""
        self._inside.add(admitted)
        try:
            yield
        finally:
            self._inside.discard(admitted)

    @contextmanager
    def streaming(self, caller: Caller) -> Iterator[None]:
        """See schema.context.Access."""
        if self._streams[caller] >= self._most_streams:
            raise RateLimited(f"{self._most_streams} streams of this caller are open already", _STREAM_RETRY_AFTER)
        self._streams[caller] += 1
        try:
            yield
        finally:
            self._streams[caller] -= 1
            if not self._streams[caller]:
                del self._streams[caller]

    async def _make_rounds(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_AGAIN.total_seconds())
            # During an outage those inside stay there: the store can't be asked, and has nothing for them either.
            with suppress(BackendUnavailable):
                await self._look_at_all()

    async def _look_at_all(self) -> None:
        now = time.time()
        for admitted in list(self._inside):
            if admitted.expires_at is not None and admitted.expires_at <= now:
                admitted.ended.set()
        key_ids = {admitted.key_id for admitted in self._inside if admitted.key_id is not None}
        if self._keys is None or not key_ids:
            return
        found = await self._keys.find(sorted(key_ids))
        gone = key_ids - found.keys()
        for admitted in list(self._inside):
            if admitted.key_id in gone:
                admitted.ended.set()
        for key_id in gone:
            self._known.pop(key_id, None)
            # A warning, as these are seen whatever is asked of logs: somebody is being shown the door.
            log.warning("key %s was revoked: what it has open ends", key_id)


def authenticator(settings: ApiSettings, job_settings: JobSettings) -> Authenticator | None:
    """The one that the settings ask for; None where nobody is asked who is there."""
    means = settings.means
    if not means:
        return None
    keys = KeyStore.connect(job_settings) if "keys" in means else None
    tokens = TokenReader(settings.tokens) if "jwt" in means else None
    return Authenticator(keys, tokens, settings.max_subscriptions_per_caller, settings.caller_limits)
