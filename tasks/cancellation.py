"""Cancelling asyncio tasks without losing the cancellation."""

from __future__ import annotations

import asyncio
from datetime import timedelta

_CANCEL_AGAIN_AFTER = timedelta(milliseconds=100)


async def cancel_and_wait(task: asyncio.Task[None]) -> None:
    """Cancel a task and wait until it has ended.

    The cancellation is repeated, since asyncio can lose one: before Python 3.12 asyncio.wait_for, which the Redis
    client uses, drops a cancellation that coincides with its timeout or with the reply.
    """
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=_CANCEL_AGAIN_AFTER.total_seconds())
