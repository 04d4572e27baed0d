"""Health of the Redis/Valkey server (persistence and memory), parsed from INFO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

# Share of maxmemory from which memory counts as nearly full. Beyond maxmemory, every submission is refused.
HIGH_MEMORY_RATIO = 0.9


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """The server at one moment.

    Args:
        aof_enabled: it writes an append-only file; without one, a restart loses all jobs.
        aof_write_ok: its last write to that file succeeded; otherwise it refuses all writes.
        eviction_enabled: when memory runs out it deletes keys, queued jobs among them, instead of refusing writes.
        used_bytes: memory in use.
        max_bytes: maxmemory; None: unlimited.
    """

    aof_enabled: bool
    aof_write_ok: bool
    eviction_enabled: bool
    used_bytes: int
    max_bytes: int | None

    @classmethod
    def parse(cls, info: Mapping[str, object]) -> Self:
        """Parse the sections `persistence` and `memory` of Redis 6.2 or later, or Valkey."""
        limit = int(str(info.get("maxmemory", 0)))
        return cls(
            aof_enabled=str(info.get("aof_enabled", 0)) == "1",
            aof_write_ok=info.get("aof_last_write_status", "ok") == "ok",
            eviction_enabled=limit > 0 and info.get("maxmemory_policy", "noeviction") != "noeviction",
            used_bytes=int(str(info.get("used_memory", 0))),
            max_bytes=limit or None,
        )

    @property
    def is_nearly_full(self) -> bool:
        """Whether memory use is within 10 % of maxmemory."""
        return self.max_bytes is not None and self.used_bytes >= HIGH_MEMORY_RATIO * self.max_bytes
