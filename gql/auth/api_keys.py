"""API keys: what they look like, and what is kept of them.

A key is `primes_{id}_{secret}`. The store has its id, the caller whose it is, and the SHA-256 of its secret, in one
hash without a time-to-live: a key holds until it is revoked, or until its own moment of expiry. The secret has 256
random bits: nobody can guess it, so a hash made to be slow would add nothing but work for the server, on each request.

Several keys can be one caller's, so that a key is replaced without losing sight of jobs: create, deploy, revoke.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

from tasks.callers import Caller
from tasks.service import HashStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from tasks.settings import JobSettings

# Found by those who look for secrets in repositories and logs.
KEY_PREFIX = "primes_"

_KEY = re.compile(r"primes_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Compared with where there is no such key, so that this takes as long.
_NOTHING = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is kept of a key."""

    id: str
    name: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def caller(self) -> Caller:
        """Whose jobs are reached with it."""
        return Caller(f"key:{self.name}")

    def holds(self) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or datetime.now(UTC) < self.expires_at

    def pack(self) -> str:
        """As it is stored."""
        return json.dumps(
            {
                "name": self.name,
                "sha256": self.sha256,
                "created_at": self.created_at.isoformat(),
                "expires_at": self.expires_at and self.expires_at.isoformat(),
            }
        )

    @classmethod
    def unpack(cls, key_id: str, text: bytes) -> Self:
        """From what is stored."""
        found = json.loads(text)
        expires_at = found["expires_at"] and datetime.fromisoformat(found["expires_at"])
        return cls(key_id, found["name"], found["sha256"], datetime.fromisoformat(found["created_at"]), expires_at)


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as it was sent: the secret is never shown again."""

    id: str
    secret: str

    @classmethod
    def read(cls, text: str) -> Self | None:
        """From what a client has sent; None where it does not look like one."""
        found = _KEY.fullmatch(text)
        return None if found is None else cls(found[1], found[2])

    def __repr__(self) -> str:
        return f"PresentedKey({self.id!r})"

    def fits(self, record: KeyRecord | None) -> bool:
        """Whether it is the key of this record, and holds. Takes the same time whatever is wrong with the secret."""
        expected = _NOTHING if record is None else record.sha256
        is_equal = hmac.compare_digest(_hash(self.secret), expected)
        return is_equal and record is not None and record.holds()


class KeyStore:
    """The keys of a system. Every method raises BackendUnavailable when the store does not answer."""

    def __init__(self, records: HashStore) -> None:
        self._records = records

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """With connections of its own."""
        return cls(HashStore.connect(settings, "@keys"))

    async def close(self) -> None:
        """Close all connections."""
        await self._records.close()

    async def create(self, name: str, lasts: timedelta | None = None) -> str:
        """A new key for the caller of this name. It is told here, and never again.

        Raises:
            ValueError: a caller can't have this name.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"the name is {name!r}, must be 1 to 64 letters, digits, dots, hyphens and underscores")
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        record = KeyRecord(key_id, name, _hash(secret), now, None if lasts is None else now + lasts)
        await self._records.put(key_id, record.pack())
        return f"{KEY_PREFIX}{key_id}_{secret}"

    async def revoke(self, key_id: str) -> bool:
        """Let a key hold no longer. False: there was none."""
        return await self._records.delete(key_id)

    async def all(self) -> list[KeyRecord]:
        """What is kept of all keys, oldest first."""
        records = [KeyRecord.unpack(key_id, text) for key_id, text in (await self._records.get_all()).items()]
        return sorted(records, key=lambda record: (record.created_at, record.id))

    async def find(self, key_ids: Sequence[str]) -> dict[str, KeyRecord]:
        """What is kept of keys with these ids."""
        found = await self._records.get(key_ids)
        return {key_id: KeyRecord.unpack(key_id, text) for key_id, text in found.items()}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
