"""Simulated time, in milliseconds. Nothing sleeps."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

# 2026-01-01, an arbitrary start.
EPOCH_MS = 1_767_225_600_000


class Clock:
    """Time as it passes, and the store's clock, which can be set."""

    def __init__(self) -> None:
        self.elapsed_ms = 0
        self.offset_ms = 0

    @property
    def store_ms(self) -> int:
        """The store's clock, in ms since the epoch."""
        return EPOCH_MS + self.elapsed_ms + self.offset_ms

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self.elapsed_ms / 1000


def datetime_of(clock: Callable[[], Clock]) -> type[datetime]:
    """A class for code that reads the time of its host."""

    class SimulatedDatetime(datetime):
        @classmethod
        def now(cls, tz: object = UTC) -> Self:
            del tz
            return cls.fromtimestamp((EPOCH_MS + clock().elapsed_ms) / 1000, UTC)

    return SimulatedDatetime
