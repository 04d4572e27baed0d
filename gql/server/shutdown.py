"""Graceful shutdown: completes subscriptions before uvicorn closes connections.

Without this, uvicorn closes each WebSocket with 1012 as soon as it is signalled, and a subscriber can't distinguish a
restart from a failure.
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

# The last messages have been passed to uvicorn by then, but are not on the wire yet.
_FLUSH_SECONDS = 0.05


@contextmanager
def completing_streams(service: JobService, drain_seconds: float) -> Iterator[None]:
    """While the block runs, the first SIGTERM or SIGINT completes all streams before its previous handler is called.

    A second signal calls the previous handler at once. Does nothing where Python can't handle signals: in threads.
    """
    shutdown = _GracefulShutdown(service, drain_seconds)
    try:
        shutdown.install_handlers()
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        shutdown.restore_handlers()


class _GracefulShutdown:
    def __init__(self, service: JobService, drain_seconds: float) -> None:
        self._service = service
        self._drain_seconds = drain_seconds
        self._loop = asyncio.get_running_loop()
        self._previous_handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._drain_task: asyncio.Task[None] | None = None

    def install_handlers(self) -> None:
        for number in _SIGNALS:
            signal.signal(number, self._on_signal)

    def restore_handlers(self) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._start_drain, signal.Signals(number))

    def _start_drain(self, number: signal.Signals) -> None:
        if self._drain_task is None:
            self._drain_task = self._loop.create_task(self._drain(number))
        else:
            self._call_previous_handler(number)

    async def _drain(self, number: signal.Signals) -> None:
        await self._service.complete_streams(self._drain_seconds)
        await asyncio.sleep(_FLUSH_SECONDS)
        self._call_previous_handler(number)

    def _call_previous_handler(self, number: signal.Signals) -> None:
        handler = self._previous_handlers[number]
        if callable(handler):
            handler(number, None)
        else:
            signal.signal(number, handler)
            signal.raise_signal(number)
