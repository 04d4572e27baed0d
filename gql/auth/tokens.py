"""Verifies JSON Web Tokens of an OpenID provider: signature, issuer, audience and expiry."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt

from gql.auth.jwks import JwksClient
from tasks.callers import Caller

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jwt import PyJWK

# Only the issuer can sign with these. With a shared secret, every verifier could create tokens.
ASYMMETRIC_ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
)

# Characters. Usual tokens have one or two thousand.
_MAX_TOKEN_LENGTH = 8_192

# Tolerated difference between the clocks of issuer and server.
_LEEWAY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class TokenSettings:
    """What a token must match. With an empty `jwks_url`, the address is read from the issuer's OpenID configuration."""

    issuer: str
    audience: str
    jwks_url: str
    algorithms: Sequence[str]


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """The caller of a valid token, and its expiry in seconds since 1970."""

    caller: Caller
    expires_at: float


class TokenVerifier:
    """Verifies the tokens of one issuer."""

    def __init__(self, settings: TokenSettings) -> None:
        self._settings = settings
        self._keys = JwksClient(settings.issuer, settings.jwks_url)

    async def verify(self, text: str) -> VerifiedToken | None:
        """The token, or None when it is not valid.

        Raises:
            BackendUnavailable: the issuer's keys are unknown and can't be fetched.
        """
        if not text or len(text) > _MAX_TOKEN_LENGTH:
            return None
        try:
            header = jwt.get_unverified_header(text)
            # Before any request to the issuer.
            if header.get("alg") not in self._settings.algorithms:
                return None
            key = await self._keys.find(header.get("kid"))
            if key is None:
                return None
            claims = self._decode(text, key)
        except (jwt.PyJWTError, ValueError):
            return None
        return VerifiedToken(caller_of(self._settings.issuer, claims["sub"]), float(claims["exp"]) + _LEEWAY_SECONDS)

    def _decode(self, text: str, key: PyJWK) -> dict[str, Any]:
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
    """The owner of a subject's jobs. Subjects may be long and may be names of users: only a hash is stored."""
    return Caller(f"jwt:{hashlib.sha256(f'{issuer} {subject}'.encode()).hexdigest()[:40]}")
