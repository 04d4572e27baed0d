"""Workers: the code of tasks.worker in tasks that the history interrupts. Celery's part is simulated."""

from __future__ import annotations

import json
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import redis

from tasks.errors import ResultStoreUnavailable
from tasks.worker.generate_segment import new_batch
from tasks.worker.job_recorder import JobRecorder
from tasks.worker.lease import LeaseExtender
from tests.simulation.world.calls import SyncClient, Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt

    from tests.simulation.history import History
    from tests.simulation.world.clock import Clock

CHILDREN = 2


class Child:
    """A process of a worker that runs one task at a time."""

    def __init__(self, history: History, worker: Worker, number: int) -> None:
        self._history = history
        self.worker = worker
        self.name = f"{worker.name}/{number}"
        self.task: Waiter | None = None
        # The thread that stores a segment while the task computes the next one.
        self.storing: Waiter | None = None
        self._begin()

    def _begin(self) -> None:
        self.recorder = JobRecorder(SyncClient(self._history, self.running), self._history.settings)  # type: ignore[arg-type] # all that it uses
        self.extender = LeaseExtender(self.recorder)

    @property
    def is_free(self) -> bool:
        return self.task is None or not self.task.is_running

    def running(self) -> Waiter | None:
        """What runs in this process now."""
        return Waiter.current if Waiter.current in {self.task, self.storing} else None

    def deliver(self, message: bytes) -> None:
        """Run the task of a message, as Celery does."""
        found = json.loads(message)
        [job, index], *_ = json.loads(found["body"])
        queue = found["properties"]["delivery_info"]["routing_key"]
        traceparent = found["headers"]["traceparent"] or None

        def run() -> None:
            try:
                new_batch(queue, self.worker.name).run(job, index, traceparent)
            except redis.RedisError:
                # Celery logs it. The segment is sent again.
                pass
            except Exception as error:  # noqa: BLE001 - reported as what it is
                self._history.violate(f"the task of segment {job}:{index} raised {error!r}")

        self.task = Waiter(self._history, self.name, run)
        self.task.start()

    def crash(self) -> None:
        """The process is killed, and the worker starts another."""
        for waiter in (self.task, self.storing):
            if waiter is not None and waiter.is_running:
                waiter.kill()
        self.task = self.storing = None
        self._begin()


class Worker:
    """A worker: its main process, and the processes of its tasks."""

    def __init__(self, history: History, name: str) -> None:
        self.name = name
        self._history = history
        self.recorder = JobRecorder(SyncClient(history), history.settings)  # type: ignore[arg-type] # all that it uses
        self.children = [Child(history, self, number) for number in range(CHILDREN)]
        # Popped, not started.
        self.messages: list[bytes] = []

    def crash(self) -> None:
        """All its processes are killed. Messages that it has popped are lost."""
        for child in self.children:
            child.crash()
        self.messages.clear()

    def stop(self) -> None:
        """Stop at once, as after the time of a soft shutdown: segments go to others, messages go back."""
        # If the store is away, the leases expire.
        with suppress(redis.RedisError):
            self.recorder.release_segments(self.name)
        self._history.push_back(self.messages)
        self.crash()


class StoringThread:
    """The executor of a process that stores segments."""

    def __init__(self, history: History, child: Child) -> None:
        self._history = history
        self._child = child

    def submit(self, run: Callable[..., None], *arguments: object) -> StoredFuture:
        future = StoredFuture()

        def execute() -> None:
            try:
                run(*arguments)
            except Exception as error:  # noqa: BLE001 - raised in the task
                future.error = error
            future.is_done = True
            if future.waiting is not None:
                future.waiting.resume_later("the segment before is stored")

        self._child.storing = Waiter(self._history, f"{self._child.name} stores", execute)
        self._child.storing.start_later()
        return future


class StoredFuture:
    """The end of a segment's storing."""

    is_done = False
    error: Exception | None = None
    waiting: Waiter | None = None

    def exception(self) -> Exception | None:
        if not self.is_done:
            self.waiting = running_task()
            self.waiting.pause()
        return self.error


class Engine:
    """Computes at once. Every integer is a prime here, so that any result is easily checked."""

    def __init__(self, history: History) -> None:
        self._history = history

    @staticmethod
    def segment_start(start: int, rank: int) -> int:
        return start + rank

    def primes_from(self, start: int, count: int) -> npt.NDArray[np.uint64]:
        running_task().wait(f"compute {count} from {start}", self._history.compute, None)
        return np.arange(start, start + count, dtype=np.uint64)


class Writer:
    """Writes files to the simulated result store."""

    def __init__(self, history: History) -> None:
        self._history = history

    def put_segment(self, result_id: str, index: int, file: bytes) -> None:
        try:
            running_task().wait(f"store file {index}", lambda: self._history.files.put(result_id, index, file))
        except OSError as error:
            raise ResultStoreUnavailable from error


def encoded(primes: npt.NDArray[np.uint64]) -> Future[bytes]:
    """A file without an encoding."""
    future: Future[bytes] = Future()
    future.set_result(primes.tobytes())
    return future


def segment_of(message: bytes) -> tuple[str, str]:
    """The job's id and the index in a message of the product."""
    name = json.loads(message)["headers"]["id"]
    return name[:36], name[37:]


class SimulatedTime:
    """The module `time` for code that measures durations and sleeps."""

    def __init__(self, clock: Callable[[], Clock]) -> None:
        self._clock = clock

    def monotonic(self) -> float:
        return self._clock().monotonic()

    perf_counter = monotonic

    @staticmethod
    def sleep(seconds: float) -> None:
        running_task().wait(f"sleep {seconds:g} s", lambda: None, None)


def running_task() -> Waiter:
    """The task that runs now."""
    assert Waiter.current is not None
    return Waiter.current
