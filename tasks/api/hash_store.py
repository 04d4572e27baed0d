"""One hash of the store, for what is neither a job nor derived from one: API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from tasks.storage.redis import async_client, translate_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    import redis.asyncio

    from tasks.settings import JobSettings


class HashStore:
    """A hash without a time-to-live. Every method raises BackendUnavailable when the store does not answer."""

    def __init__(self, client: redis.asyncio.Redis, key: str) -> None:
        self._client = client
        self._key = key

    @classmethod
    def connect(cls, settings: JobSettings, name: str) -> Self:
        """The hash of this name under the key prefix, with its own connection."""
        return cls(async_client(settings), f"{settings.key_prefix}{name}")

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def put(self, field: str, value: str) -> None:
        """Write one field."""
        await _reply(self._client.hset(self._key, field, value))

    async def delete(self, field: str) -> bool:
        """Delete one field. Returns False when it did not exist."""
        return bool(await _reply(self._client.hdel(self._key, field)))

    async def get(self, fields: Sequence[str]) -> dict[str, bytes]:
        """The values of those fields that exist."""
        values = await _reply(self._client.hmget(self._key, list(fields)))
        return {field: value for field, value in zip(fields, values, strict=True) if value is not None}

    async def get_all(self) -> dict[str, bytes]:
        """All fields and their values."""
        found = await _reply(self._client.hgetall(self._key))
        return {field.decode(): value for field, value in found.items()}


async def _reply(command: Awaitable[Any] | Any) -> Any:  # noqa: ANN401 - the client's types serve its sync half too
    with translate_errors():
        return await command
