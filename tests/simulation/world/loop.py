"""An event loop with simulated time, which runs only when the history lets it."""

from __future__ import annotations

import asyncio
import heapq
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Coroutine

    from tests.simulation.world.clock import Clock


class _NoSelector:
    """There is nothing to wait for: all input comes from the history."""

    @staticmethod
    def select(_: float | None) -> list[Any]:
        return []


class SimulatedLoop(asyncio.BaseEventLoop):
    """Timers are due by the simulated clock."""

    def __init__(self, clock: Clock, on_error: Callable[[str], None]) -> None:
        super().__init__()
        self._selector = _NoSelector()
        self._ready: deque[asyncio.Handle]
        self._scheduled: list[asyncio.TimerHandle]
        self._hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(self._asyncgen_firstiter_hook, self._asyncgen_finalizer_hook)  # type: ignore[attr-defined]
        self._clock = clock
        self._clock_resolution = 1e-6
        self.set_exception_handler(
            lambda _, context: on_error(f"{context.get('message')}: {context.get('exception')!r}")
        )

    def time(self) -> float:
        return self._clock.monotonic()

    def run_ready(self) -> None:
        """Run until every task waits, as `run_forever` does, without what it prepares for each time."""
        if not (self._ready or self._is_timer_due()):
            return
        asyncio._set_running_loop(self)  # noqa: SLF001 - as the base class does
        try:
            while self._ready or self._is_timer_due():
                while self._is_timer_due():
                    self._ready.append(heapq.heappop(self._scheduled))
                # Not those that are added meanwhile: timers that are due come before them.
                for _ in range(len(self._ready)):
                    handle = self._ready.popleft()
                    if not handle.cancelled():
                        handle._run()  # noqa: SLF001 - as the base class does
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001

    def run(self, function: Callable[[], None]) -> None:
        """Call a function in the loop, then run until every task waits."""
        self.call_soon(function)
        self.run_ready()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task, and run until every task waits."""
        task = self.create_task(coroutine)
        self.run_ready()
        return task

    def close(self) -> None:
        sys.set_asyncgen_hooks(*self._hooks)
        super().close()

    def _is_timer_due(self) -> bool:
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        return bool(self._scheduled) and round(self._scheduled[0].when() * 1000) <= self._clock.elapsed_ms

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing to process."""

    def _write_to_self(self) -> None:
        """Nothing waits."""
