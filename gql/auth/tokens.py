"""JSON Web Tokens of an OpenID provider: signed by its keys, issued by it, meant for us, and not expired.

The provider's public keys are fetched when first needed, and again when they are old or a token names one that is not
among them, but not more often than every ten seconds, whatever is sent. While it can't be reached, those that are known
hold on for an hour.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import jwt
from jwt import PyJWK, PyJWKSet

from tasks.callers import Caller
from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

# Those in which only the issuer can sign. With a shared secret, whoever checks a token could make one.
ASYMMETRIC = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})

# Ordinary ones have one or two kilobytes.
_LONGEST_TOKEN = 8_192

# Clocks differ.
_LEEWAY_SECONDS = 10

_OLD_SECONDS = 300
_TOO_OLD_SECONDS = 3_600
_FETCH_AGAIN_SECONDS = 10
_FETCH_TIMEOUT_SECONDS = 2
_LARGEST_ANSWER_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """What a token must be. `jwks_url` empty: where the issuer's OpenID configuration says."""

    issuer: str
    audience: str
    jwks_url: str
    algorithms: Sequence[str]


@dataclass(frozen=True, slots=True)
class Token:
    """A token that holds: whose it is, and until when, in seconds since 1970."""

    caller: Caller
    expires_at: float


class TokenReader:
    """Reads tokens of one issuer."""

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys = IssuerKeys(settings)

    async def close(self) -> None:
        """Close all connections."""
        await self._keys.close()

    async def read(self, text: str) -> Token | None:
        """The token, if it holds.

        Raises:
            BackendUnavailable: the issuer's keys are not known and can't be had.
        """
        if not text or len(text) > _LONGEST_TOKEN:
            return None
        try:
            header = jwt.get_unverified_header(text)
            # Before anything is asked of the issuer.
            if header.get("alg") not in self._settings.algorithms:
                return None
            key = await self._keys.find(header.get("kid"))
            if key is None:
                return None
            claims = self._claims(text, key)
        except (jwt.PyJWTError, ValueError):
            return None
        return Token(caller_of(self._settings.issuer, claims["sub"]), float(claims["exp"]) + _LEEWAY_SECONDS)

    def _claims(self, text: str, key: PyJWK) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            text,
            key,
            algorithms=list(self._settings.algorithms),
            audience=self._settings.audience,
            issuer=self._settings.issuer,
            leeway=_LEEWAY_SECONDS,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
        return claims


def caller_of(issuer: str, subject: str) -> Caller:
    """Whose jobs a subject of an issuer reaches. Subjects may be long, and people's names: they are not stored."""
    return Caller(f"jwt:{hashlib.sha256(f'{issuer} {subject}'.encode()).hexdigest()[:40]}")


class IssuerKeys:
    """The public keys of the issuer, by their ids."""

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._client = httpx.AsyncClient(timeout=_FETCH_TIMEOUT_SECONDS, follow_redirects=False)
        self._keys: list[PyJWK] = []
        self._fetched_at = self._tried_at = -float("inf")
        self._fetching = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def find(self, key_id: str | None) -> PyJWK | None:
        """The key of this id; without an id, the only one there is.

        Raises:
            BackendUnavailable: no keys are known and none can be had.
        """
        found = self._known(key_id)
        if found is None or time.monotonic() - self._fetched_at > _OLD_SECONDS:
            async with self._fetching:
                if time.monotonic() - self._tried_at > _FETCH_AGAIN_SECONDS:
                    await self._fetch()
            found = self._known(key_id)
        if time.monotonic() - self._fetched_at > _TOO_OLD_SECONDS:
            raise BackendUnavailable("the issuer of tokens does not answer")
        return found

    def _known(self, key_id: str | None) -> PyJWK | None:
        if key_id is None:
            return self._keys[0] if len(self._keys) == 1 else None
        return next((key for key in self._keys if key.key_id == key_id), None)

    async def _fetch(self) -> None:
        self._tried_at = time.monotonic()
        try:
            async with asyncio.timeout(_FETCH_TIMEOUT_SECONDS):
                url = self._settings.jwks_url or await self._jwks_url()
                fetched = PyJWKSet.from_dict(await self._get(url)).keys
        except (httpx.HTTPError, jwt.PyJWTError, ValueError, KeyError, TypeError, TimeoutError) as error:
            log.warning("the keys of %s could not be had: %r", self._settings.issuer, error)
            return
        # Keys of other uses, and of shared secrets, are for others.
        self._keys = [key for key in fetched if key.public_key_use in {None, "sig"} and key.key_type != "oct"]
        self._fetched_at = time.monotonic()

    async def _jwks_url(self) -> str:
        configuration = await self._get(f"{self._settings.issuer.rstrip('/')}/.well-known/openid-configuration")
        if configuration["issuer"] != self._settings.issuer:
            raise ValueError(f"the configuration is of another issuer, {configuration['issuer']!r}")
        url: str = configuration["jwks_uri"]
        return url

    async def _get(self, url: str) -> dict[str, Any]:
        body = b""
        async with self._client.stream("GET", url) as answer:
            answer.raise_for_status()
            async for piece in answer.aiter_bytes():
                body += piece
                if len(body) > _LARGEST_ANSWER_BYTES:
                    raise ValueError(f"{url} answers with more than {_LARGEST_ANSWER_BYTES} bytes")
        found: dict[str, Any] = httpx.Response(200, content=body).json()
        return found
