"""Authenticates callers by API key or token, and ends their sessions when the credentials stop being valid.

A key that was found is cached for a second, so the store is queried about once a second per key, whatever the request
rate. Tokens are verified without the store. While sessions are open, the keys they were opened with are looked up every
second in one command: streams and connections of a revoked key end within two seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from cachetools import TTLCache

from gql.auth.api_keys import KeyStore, PresentedKey
from gql.auth.sessions import OpenSessions, Session
from tasks.cancellation import cancel_and_wait
from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from gql.auth.api_keys import KeyRecord
    from gql.auth.tokens import TokenVerifier
    from tasks.callers import Caller, CallerLimits

log = logging.getLogger(__name__)

_REVALIDATION_INTERVAL = timedelta(seconds=1)

# Key records, about half a kilobyte each. With more keys in use at a time, the store is queried more often.
_MAX_CACHED_KEYS = 10_000

_SCHEME = "bearer "


class NotAuthenticated(Exception):
    """No credentials, or invalid ones. The message does not say why they are invalid: that would help an attacker."""

    def __init__(self, *, presented: bool) -> None:
        super().__init__(
            "Invalid or expired API key or token."
            if presented
            else "Missing credentials. Send an API key or token as `Authorization: Bearer ...`."
        )
        self.presented = presented


class Authenticator:
    """One per process, started and stopped with the application."""

    def __init__(
        self,
        keys: KeyStore | None,
        tokens: TokenVerifier | None,
        max_streams: int,
        limits: CallerLimits | None = None,
    ) -> None:
        self._keys = keys
        self._tokens = tokens
        self._limits = limits
        self._sessions = OpenSessions(max_streams)
        self._key_cache: TTLCache[str, KeyRecord] = TTLCache(_MAX_CACHED_KEYS, _REVALIDATION_INTERVAL.total_seconds())
        self._revalidation: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the revalidation of open sessions."""
        self._revalidation = asyncio.create_task(self._revalidate_periodically(), name="session revalidation")

    async def stop(self) -> None:
        """Stop revalidation and close all connections."""
        async with AsyncExitStack() as closing:
            if self._keys is not None:
                closing.push_async_callback(self._keys.close)
            if self._revalidation is not None:
                closing.push_async_callback(cancel_and_wait, self._revalidation)

    async def authenticate(self, authorization: str | None) -> Session:
        """Open a session for the caller.

        Args:
            authorization: the value of the HTTP header.

        Raises:
            NotAuthenticated: the scheme is not `Bearer`, or the credentials are missing, unknown, revoked or expired.
            BackendUnavailable: the key store or the token issuer does not answer.
        """
        if not authorization:
            raise NotAuthenticated(presented=False)
        is_bearer = authorization[: len(_SCHEME)].lower() == _SCHEME
        credentials = authorization[len(_SCHEME) :].strip() if is_bearer else ""
        if self._keys is not None and (key := PresentedKey.parse(credentials)) is not None:
            return await self._authenticate_key(self._keys, key)
        if self._tokens is not None and (token := await self._tokens.verify(credentials)) is not None:
            return Session(self._sessions, self._with_limits(token.caller), None, token.expires_at)
        raise NotAuthenticated(presented=True)

    async def _authenticate_key(self, keys: KeyStore, key: PresentedKey) -> Session:
        record = self._key_cache.get(key.id)
        if record is None:
            record = (await keys.find([key.id])).get(key.id)
            if record is not None:
                self._key_cache[key.id] = record
        if not key.matches(record) or record is None:
            raise NotAuthenticated(presented=True)
        expires_at = None if record.expires_at is None else record.expires_at.timestamp()
        return Session(self._sessions, self._with_limits(record.caller), key.id, expires_at)

    def _with_limits(self, caller: Caller) -> Caller:
        return replace(caller, limits=self._limits)

    async def _revalidate_periodically(self) -> None:
        while True:
            await asyncio.sleep(_REVALIDATION_INTERVAL.total_seconds())
            # During an outage sessions stay open: revocations are unknown, and no data can be read either.
            with suppress(BackendUnavailable):
                await self._revalidate()

    async def _revalidate(self) -> None:
        self._sessions.end_expired(time.time())
        key_ids = self._sessions.key_ids()
        if self._keys is None or not key_ids:
            return
        revoked = key_ids - (await self._keys.find(sorted(key_ids))).keys()
        self._sessions.end_of_keys(revoked)
        for key_id in revoked:
            self._key_cache.pop(key_id, None)
            # A warning, so that it is logged at every configured level: requests of a caller are being ended.
            log.warning("API key %s was revoked: ending its open requests, streams and WebSockets", key_id)
