"""What histories share: the server, the settings, and the replacements of everything that is not decided by a seed."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tasks import jobs
from tasks.api import feed, store_metrics
from tasks.results import segments
from tasks.settings import JobSettings
from tasks.storage import api_scripts, messages, records, scripts, worker_scripts
from tasks.worker import attempt, batch, job_recorder, large_batch, lease, small_batch, watchdog
from tests.simulation.world import lua
from tests.simulation.world.calls import Registry
from tests.simulation.world.clock import Clock, datetime_of
from tests.simulation.world.store import PREFIX, SOCKET, SimulatedStore
from tests.simulation.world.worker import Engine, SimulatedTime, StoringThread, Writer, encoded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tests.programs import Valkey
    from tests.simulation.history import History
    from tests.simulation.world.worker import Child

SEGMENT_PRIMES = 4
SENDING_WINDOW = 2

SETTINGS = JobSettings(
    key_prefix=PREFIX,
    queue_capacity=6,
    job_ttl_seconds=3600,
    result_ttl_seconds=1800,
    idempotency_ttl_seconds=900,
    lease_seconds=5,
    job_time_limit_seconds=120,
    max_attempts=2,
)


class World:
    """Runs one history at a time."""

    def __init__(self, valkey: Valkey, replacements: Mapping[str, str]) -> None:
        self.branches = lua.Branches()
        self.registry = Registry()
        self.settings = SETTINGS
        self.read = lua.reader(self.branches, replacements)
        self.store = SimulatedStore(valkey.folder / SOCKET, self.branches)
        self.history: History

    @property
    def clock(self) -> Clock:
        return self.history.clock

    def child(self) -> Child:
        """The process of the task that runs now."""
        return next(c for worker in self.history.workers for c in worker.children if c.running())


@contextmanager
def world(valkey: Valkey, replacements: Mapping[str, str] | None = None) -> Iterator[World]:
    """Everything that is not decided by a seed is replaced until the block ends."""
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        found = World(valkey, replacements or {})
        stack.callback(found.store.close)
        stack.callback(scripts._assemble.cache_clear)  # noqa: SLF001 - it has texts of this world
        scripts._assemble.cache_clear()  # noqa: SLF001
        logging.disable()
        stack.callback(logging.disable, logging.NOTSET)
        for module, name, value in _replacements(found):
            patch.setattr(module, name, value)
        yield found


def _replacements(found: World) -> Iterator[tuple[Any, str, object]]:
    for module in (jobs, records, worker_scripts, segments):
        yield module, "SEGMENT_PRIMES", SEGMENT_PRIMES
    for module in (jobs, messages):
        yield module, "SMALL_JOB_PRIMES", SEGMENT_PRIMES
    yield scripts, "SENDING_WINDOW", SENDING_WINDOW
    yield scripts, "_read", found.read
    for module in (scripts, store_metrics):
        yield module, "load_script", found.registry.load
    yield api_scripts, "os", _Random(found)
    yield job_recorder, "uuid", _Random(found)
    yield segments, "datetime", datetime_of(lambda: found.clock)
    for module in (attempt, batch, small_batch, lease, feed):
        yield module, "time", SimulatedTime(lambda: found.clock)
    yield watchdog, "kill_process", lambda reason: found.history.kill_process(reason)  # noqa: PLW0108 - not yet there
    yield attempt, "engine", _Of(lambda: Engine(found.history))
    yield attempt, "writer", lambda: Writer(found.history)
    yield attempt, "encode_in_background", encoded
    yield large_batch, "storing_threads", lambda _: StoringThread(found.history, found.child())
    yield attempt, "lease_extender", lambda: found.child().extender
    for module in (attempt, large_batch, small_batch):
        yield module, "recorder", lambda: found.child().recorder


class _Of:
    """An object that is found when it is used."""

    def __init__(self, find: Callable[[], object]) -> None:
        self._find = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self._find(), name)


class _Random:
    """Random bytes of the history's seed."""

    def __init__(self, found: World) -> None:
        self._found = found

    def urandom(self, size: int) -> bytes:
        return self._found.history.ids.randbytes(size)

    def uuid4(self) -> Any:
        return _Hex(self.urandom(16).hex())


class _Hex:
    def __init__(self, text: str) -> None:
        self.hex = text
