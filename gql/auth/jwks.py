"""The public keys of an OpenID provider, fetched from its JSON Web Key Set (RFC 7517).

Keys are fetched when first needed, and again when they are 5 minutes old or a token names an unknown key, at most once
every 10 seconds whatever clients send. While the provider is unavailable, known keys stay in use for an hour.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import Any

import httpx
import jwt
from jwt import PyJWK, PyJWKSet

from gql.http.proxies import ProxyError, client_options
from tasks.errors import BackendUnavailable

log = logging.getLogger(__name__)

_REFRESH_AFTER_SECONDS = 300
_MAX_AGE_SECONDS = 3_600
_MIN_FETCH_INTERVAL_SECONDS = 10
_FETCH_TIMEOUT_SECONDS = 2
_MAX_RESPONSE_BYTES = 262_144


class JwksClient:
    """Caches the signing keys of one issuer, by key id."""

    def __init__(self, issuer: str, jwks_url: str) -> None:
        """With an empty `jwks_url`, the address is read from the issuer's OpenID configuration."""
        self._issuer = issuer
        self._jwks_url = jwks_url
        # Reported at the start already: every token would be refused.
        try:
            client_options(jwks_url or issuer)
        except ProxyError as error:
            log.warning("The signing keys of token issuer %s can't be fetched: %s", issuer, error)
        self._keys: list[PyJWK] = []
        self._fetched_at = self._tried_at = -float("inf")
        self._fetching = asyncio.Lock()

    async def find(self, key_id: str | None) -> PyJWK | None:
        """The key with this id; without an id, the issuer's key if it has exactly one.

        Raises:
            BackendUnavailable: no keys are known, or they are too old, and fetching them failed.
        """
        key = self._cached(key_id)
        if key is None or time.monotonic() - self._fetched_at > _REFRESH_AFTER_SECONDS:
            async with self._fetching:
                if time.monotonic() - self._tried_at > _MIN_FETCH_INTERVAL_SECONDS:
                    await self._fetch()
            key = self._cached(key_id)
        if time.monotonic() - self._fetched_at > _MAX_AGE_SECONDS:
            raise BackendUnavailable("the token issuer does not answer")
        return key

    def _cached(self, key_id: str | None) -> PyJWK | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_SECONDS):
                url = self._jwks_url or await self._discover_url()
                fetched = PyJWKSet.from_dict(await self._get(url)).keys
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError, TimeoutError) as error:
            log.warning("Fetching the signing keys of token issuer %s failed: %r", self._issuer, error)
            return
        # Encryption keys and shared secrets do not verify signatures here.
        self._keys = [key for key in fetched if key.public_key_use in {None, "sig"} and key.key_type != "oct"]
        self._fetched_at = time.monotonic()

    async def _discover_url(self) -> str:
        configuration = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if configuration["issuer"] != self._issuer:
            raise ValueError(f"issuer in the OpenID configuration is {configuration['issuer']!r}")
        url: str = configuration["jwks_uri"]
        return url

    async def _get(self, url: str) -> dict[str, Any]:
        body = b""
        async with (
            httpx.AsyncClient(timeout=_FETCH_TIMEOUT_SECONDS, follow_redirects=False, **client_options(url)) as client,
            client.stream("GET", url) as response,
        ):
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_RESPONSE_BYTES:
                    raise ValueError(f"response of {url} exceeds {_MAX_RESPONSE_BYTES} bytes")
        document: dict[str, Any] = httpx.Response(200, content=body).json()
        return document
