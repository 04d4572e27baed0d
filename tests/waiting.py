"""Waiting for a condition with a deadline, never for a duration."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_POLL_SECONDS = 0.02

# Costs nothing while the condition comes true, and is sufficient on a machine that is busy with other tests.
_DEADLINE_SECONDS = 60


def wait_until(
    condition: Callable[[], bool], seconds: float = _DEADLINE_SECONDS, explain: Callable[[], str] = str
) -> None:
    """Return when the condition holds; fail with the explanation after the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {explain()}"
        time.sleep(_POLL_SECONDS)


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = _DEADLINE_SECONDS) -> None:
    """As wait_until, for a condition that must be awaited."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition depends on other processes
            await asyncio.sleep(_POLL_SECONDS)
