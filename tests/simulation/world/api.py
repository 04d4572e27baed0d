"""API processes: the code of tasks.api in an event loop that the history runs. And the users, who outlive them."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.api.feed import JobFeed
from tasks.api.janitor import ResultJanitor
from tasks.api.job_store import JobStore
from tasks.errors import (
    BackendUnavailable,
    IdempotencyConflict,
    JobAlreadyFinished,
    JobNotFound,
    JobNotRetryable,
    QueueFull,
    RateLimited,
)
from tasks.results.segments import SegmentStore
from tests.simulation.world.calls import AsyncClient

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine

    from tasks.callers import Caller
    from tasks.jobs import Job
    from tasks.requests import JobPageRequest, PrimesRequest
    from tests.simulation.history import History

REFUSALS = (IdempotencyConflict, JobAlreadyFinished, JobNotFound, JobNotRetryable, QueueFull, RateLimited)


class Api:
    """An API process: store, feed and janitor, and what its users wait for."""

    def __init__(self, history: History, name: str, *, is_older: bool) -> None:
        self.name = name
        self.is_older = is_older
        self._history = history
        self.client = AsyncClient(history, name, is_older=is_older)
        self.store = JobStore(self.client, history.settings)  # type: ignore[arg-type] # all that it uses
        self.feed = JobFeed(self.store)
        self._janitor = ResultJanitor(self.store, SegmentStore(history.files))  # type: ignore[arg-type] # all that it uses
        self._tasks: list[asyncio.Task[None]] = []
        history.loop.run(self.feed.start)

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Serve a request."""
        self._tasks = [task for task in self._tasks if not task.done()]
        task = self._history.loop.spawn(coroutine)
        self._tasks.append(task)
        return task

    async def sweep(self) -> None:
        """Delete results that nothing needs."""
        with suppress(BackendUnavailable):
            await self._janitor.sweep()

    async def read(self, caller: Caller, request: JobPageRequest) -> None:
        """Read what reads without any change."""
        try:
            page = await self.store.list_jobs(request, caller)
            await self.store.get_jobs([job.id for job in page.jobs], caller)
            await self.store.get_system_state()
        except BackendUnavailable:
            return
        if len(page.jobs) > request.size:
            self._history.violate(f"a page of {request.size} has {len(page.jobs)} jobs")
        if any(job.status not in request.statuses for job in page.jobs):
            self._history.violate("a page has jobs of other statuses than its filter")

    def crash(self) -> None:
        """The process is killed."""
        for task in self._tasks:
            task.cancel()
        for loop in self.feed._loops:  # noqa: SLF001 - ended without its own shutdown
            loop.cancel()
        for line in self.client.lines:
            line.break_off()
        self._history.loop.run_ready()


@dataclass(eq=False, slots=True)
class Submission:
    """A request of a user, who sends it again until it is answered."""

    history: History
    caller: Caller
    request: PrimesRequest | None
    retry_of: str | None = None
    traceparent: str | None = None
    is_pending: bool = False
    is_answered: bool = False

    @property
    def words(self) -> str:
        if self.request is None:
            return f"retry {self.history.short(self.retry_of)}"
        key = f" with key {self.request.idempotency_key}" if self.request.idempotency_key else ""
        return f"submit {self.request.count} from {self.request.start}{key} as {self.caller.owner or 'anyone'}"

    async def send(self, api: Api) -> None:
        """Send it once."""
        self.is_pending = True
        try:
            if self.request is None:
                found = await api.store.retry_job(str(self.retry_of), self.caller, self.traceparent)
            else:
                found = await api.store.submit_job(self.request, self.caller, self.traceparent)
        except BackendUnavailable:
            pass
        except REFUSALS:
            self.is_answered = True
        else:
            self.is_answered = True
            self.history.acknowledge(found.job, self.caller)
        finally:
            self.is_pending = False


@dataclass(eq=False, slots=True)
class Subscriber:
    """A user who follows a job, and resumes where a stream broke."""

    history: History
    caller: Caller
    job_id: str
    final_only: bool
    version: int | None = None
    final_status: str | None = None
    is_done: bool = False
    is_missing: bool = False
    # How often the store had lost its last second when it subscribed. After another loss the store can reach versions
    # again that were received before, and the final state in one of them.
    losses: int = 0
    task: asyncio.Task[None] | None = None

    @property
    def is_streaming(self) -> bool:
        return self.task is not None and not self.task.done()

    async def follow(self, api: Api) -> None:
        """Receive states until the stream ends or breaks."""
        try:
            async for update in api.feed.watch_job(self.job_id, self.caller, self.version, final_only=self.final_only):
                self._receive(update.job)
        except JobNotFound:
            self.is_done = self.is_missing = True
        except BackendUnavailable:
            return
        else:
            self.is_done = True
            if self.final_status is None and self.losses == self.history.losses:
                self.history.violate(f"a stream of {self.history.short(self.job_id)} completed without a final state")

    def _receive(self, job: Job) -> None:
        name = self.history.short(self.job_id)
        if self.losses == self.history.losses:
            if self.version is not None and job.version <= self.version:
                self.history.violate(f"a subscriber of {name} received version {job.version} after {self.version}")
            if self.final_status is not None:
                self.history.violate(f"a subscriber of {name} received {job.status} after {self.final_status}")
        self.version = job.version
        if job.status.is_final:
            self.final_status = job.status.value


class Files:
    """The result store: files by result id and index."""

    def __init__(self) -> None:
        self.files: dict[tuple[str, int], bytes] = {}
        self.is_down = False

    def put(self, result_id: str, index: int, file: bytes) -> None:
        if self.is_down:
            raise OSError("the result store is down")
        self.files[result_id, index] = file

    async def list_folders(self) -> list[str]:
        return sorted({result_id for result_id, _ in self.files})

    async def delete_folder(self, name: str) -> None:
        for key in [key for key in self.files if key[0] == name]:
            del self.files[key]
