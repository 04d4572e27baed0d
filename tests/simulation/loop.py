"""An event loop with simulated time, which runs only when the history lets it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.simulation.clock import Clock


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
        self._clock = clock
        self._clock_resolution = 1e-6
        self.set_exception_handler(
            lambda _, context: on_error(f"{context.get('message')}: {context.get('exception')!r}")
        )

    def time(self) -> float:
        return self._clock.monotonic()

    def run_ready(self) -> None:
        """Run until every task waits."""
        while self._ready or self._is_timer_due():  # type: ignore[attr-defined] # of the base class
            self.call_soon(self.stop)
            self.run_forever()

    def run(self, function: Callable[[], None]) -> None:
        """Call a function in the loop, then run until every task waits."""
        self.call_soon(function)
        self.run_ready()

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task, and run until every task waits."""
        task = self.create_task(coroutine)
        self.run_ready()
        return task

    def next_timer_ms(self) -> int | None:
        """When the next timer is due; None: there is none."""
        due = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        return round(min(due) * 1000) if due else None

    def _is_timer_due(self) -> bool:
        at = self.next_timer_ms()
        return at is not None and at <= self._clock.elapsed_ms

    def _process_events(self, event_list: list[Any]) -> None:
        """Nothing to process."""

    def _write_to_self(self) -> None:
        """Nothing waits."""
