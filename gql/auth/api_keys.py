"""API keys: their format, and the record stored for each.

A key is `primes_{id}_{secret}`. The store holds the id, the caller's name and the SHA-256 of the secret, in one hash
without a time-to-live: a key is valid until it is revoked or reaches its own expiry. The secret has 256 random bits and
can't be guessed, so a deliberately slow hash would only add work for the server on each request.

One caller can have several keys, which allows rotation without losing access to jobs: create, deploy, revoke.
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

# A fixed prefix lets secret scanners find keys in repositories and logs.
KEY_PREFIX = "primes_"

_KEY = re.compile(r"primes_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")

# Compared when the key is unknown, so that the check takes the same time.
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of a key."""

    id: str
    name: str
    sha256: str
    created_at: datetime
    expires_at: datetime | None = None

    @property
    def caller(self) -> Caller:
        """The owner of the jobs that this key gives access to."""
        return Caller(f"key:{self.name}")

    def is_valid(self) -> bool:
        """Whether the key has not expired."""
        return self.expires_at is None or datetime.now(UTC) < self.expires_at

    def to_json(self) -> str:
        """The stored form."""
        return json.dumps(
            {
                "name": self.name,
                "sha256": self.sha256,
                "created_at": self.created_at.isoformat(),
                "expires_at": self.expires_at and self.expires_at.isoformat(),
            }
        )

    @classmethod
    def from_json(cls, key_id: str, text: bytes) -> Self:
        """Parse the stored form."""
        fields = json.loads(text)
        expires_at = fields["expires_at"] and datetime.fromisoformat(fields["expires_at"])
        return cls(key_id, fields["name"], fields["sha256"], datetime.fromisoformat(fields["created_at"]), expires_at)


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as a client sent it. Its repr leaves out the secret."""

    id: str
    secret: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """The key, or None when the text does not have the format of one."""
        match = _KEY.fullmatch(text)
        return None if match is None else cls(match[1], match[2])

    def __repr__(self) -> str:
        return f"PresentedKey({self.id!r})"

    def matches(self, record: KeyRecord | None) -> bool:
        """Whether this is the key of the record, and valid. Takes the same time however much of the secret is right."""
        expected = _EMPTY_SHA256 if record is None else record.sha256
        is_equal = hmac.compare_digest(_hash(self.secret), expected)
        return is_equal and record is not None and record.is_valid()


class KeyStore:
    """The API keys in the job store. Every method raises BackendUnavailable when the store does not answer."""

    def __init__(self, records: HashStore) -> None:
        self._records = records

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """A key store with its own connections."""
        return cls(HashStore.connect(settings, "@keys"))

    async def close(self) -> None:
        """Close all connections."""
        await self._records.close()

    async def create(self, name: str, lifetime: timedelta | None = None) -> str:
        """Create a key for the caller of this name and return it. The secret can't be retrieved later.

        Raises:
            ValueError: the name has other characters or is too long.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"name is {name!r}, must be 1 to 64 letters, digits, dots, hyphens and underscores")
        key_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        record = KeyRecord(key_id, name, _hash(secret), now, None if lifetime is None else now + lifetime)
        await self._records.put(key_id, record.to_json())
        return f"{KEY_PREFIX}{key_id}_{secret}"

    async def revoke(self, key_id: str) -> bool:
        """Delete a key. Returns False when no key has this id."""
        return await self._records.delete(key_id)

    async def list_all(self) -> list[KeyRecord]:
        """The records of all keys, oldest first."""
        stored = await self._records.get_all()
        records = [KeyRecord.from_json(key_id, text) for key_id, text in stored.items()]
        return sorted(records, key=lambda record: (record.created_at, record.id))

    async def find(self, key_ids: Sequence[str]) -> dict[str, KeyRecord]:
        """The records of the given keys, by id. Unknown ids are left out."""
        stored = await self._records.get(key_ids)
        return {key_id: KeyRecord.from_json(key_id, text) for key_id, text in stored.items()}


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
