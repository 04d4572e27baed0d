"""A polite end: streams are told first, and only then does the server begin to close connections.

Without this, uvicorn closes each WebSocket with 1012 as soon as it is signalled, and a subscriber can't tell a
restart from a fault.
"""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from tasks.service import JobService

_SIGNALS = (signal.SIGTERM, signal.SIGINT)

# The last messages have been handed to the server by then, but are not on the wire yet.
_WRITING_SECONDS = 0.05


@contextmanager
def ending_streams_first(service: JobService, drain_seconds: float) -> Iterator[None]:
    """While the block runs, a first SIGTERM or SIGINT ends all streams, then does what it did before.

    A second one does at once what it did before. Where Python can't catch signals, in a thread, nothing changes.
    """
    drain = _Drain(service, drain_seconds)
    try:
        drain.catch_signals()
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        drain.restore_signals()


class _Drain:
    def __init__(self, service: JobService, seconds: float) -> None:
        self._service = service
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._previous = {number: signal.getsignal(number) for number in _SIGNALS}
        self._draining: asyncio.Task[None] | None = None

    def catch_signals(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def restore_signals(self) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._begin, signal.Signals(number))

    def _begin(self, number: signal.Signals) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain(number))
        else:
            self._forward(number)

    async def _drain(self, number: signal.Signals) -> None:
        await self._service.complete_streams(self._seconds)
        await asyncio.sleep(_WRITING_SECONDS)
        self._forward(number)

    def _forward(self, number: signal.Signals) -> None:
        handler = self._previous[number]
        if callable(handler):
            handler(number, None)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)
