"""How the job store itself is: whether it keeps what it is told, and has room for more. Read from its INFO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping

# From here on it is told that memory runs out: beyond the limit every submission is refused.
NEAR_THE_LIMIT = 0.9


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """A store at one moment.

    Args:
        appends: it keeps an append-only file, without which a restart loses all jobs.
        writes: its last write to that file reached it. Where not, it refuses to be told more.
        evicts: when memory runs out it throws keys away, queued jobs among them, instead of refusing new ones.
        used_bytes: memory in use.
        max_bytes: memory it may use; None: no limit of its own.
    """

    appends: bool
    writes: bool
    evicts: bool
    used_bytes: int
    max_bytes: int | None

    @classmethod
    def parse(cls, info: Mapping[str, object]) -> Self:
        """From the sections `persistence` and `memory`, as Redis since 6.2 and Valkey have them."""
        limit = int(str(info.get("maxmemory", 0)))
        return cls(
            appends=str(info.get("aof_enabled", 0)) == "1",
            writes=info.get("aof_last_write_status", "ok") == "ok",
            evicts=limit > 0 and info.get("maxmemory_policy", "noeviction") != "noeviction",
            used_bytes=int(str(info.get("used_memory", 0))),
            max_bytes=limit or None,
        )

    @property
    def is_nearly_full(self) -> bool:
        """Little of the memory that it may use is left."""
        return self.max_bytes is not None and self.used_bytes >= NEAR_THE_LIMIT * self.max_bytes
