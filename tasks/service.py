"""What a job system does, in the words of its callers. Both edges, GraphQL and REST, call this and nothing below it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress
from copy import copy
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from tasks.api.feed import JobFeed
from tasks.api.hash_store import HashStore
from tasks.api.janitor import ResultJanitor
from tasks.api.job_store import JobStore
from tasks.api.rate_limit import SubmissionRateLimiter
from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable, JobNotFound
from tasks.exports.formats import export
from tasks.instrumentation import metrics, tracing
from tasks.results.reader import ResultReader
from tasks.results.segments import SegmentStore
from tasks.storage.messages import queue_for
from tasks.storage.server_info import ServerInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    import numpy as np
    import numpy.typing as npt

    from tasks.api.job_store import Submission
    from tasks.callers import Caller
    from tasks.exports.formats import ExportFile, ExportFormat
    from tasks.jobs import Job, JobPage, SystemState
    from tasks.requests import JobPageRequest, PrimesRequest
    from tasks.settings import JobSettings

# What callers need beside the service: what it returns, and where the API keys are stored.
__all__ = ["NO_WAIT", "HashStore", "JobService", "ServerInfo"]

NO_WAIT = timedelta(0)


class JobService:
    """Submit, read, follow, cancel and retry jobs: those of one caller, as no others exist. See `for_caller`.

    Every method raises BackendUnavailable when the store does not answer.
    """

    def __init__(self, store: JobStore, feed: JobFeed, files: SegmentStore, settings: JobSettings) -> None:
        self._store = store
        self._feed = feed
        self._files = files
        self._results = ResultReader(store, files)
        self._rates = SubmissionRateLimiter.connect(settings)
        self._janitor = ResultJanitor(store, files)
        self._caller = ANYONE
        self.settings = settings

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """A service with connections of its own."""
        store = JobStore.connect(settings)
        return cls(store, JobFeed(store), SegmentStore.connect(settings.result_store_url), settings)

    def for_caller(self, caller: Caller) -> Self:
        """This service as the caller sees it. Started and stopped is the first one, which is nobody's in particular."""
        if caller == self._caller:
            return self
        theirs = copy(self)
        theirs._caller = caller  # noqa: SLF001 - its own class
        return theirs

    def start(self) -> None:
        """Begin to follow the jobs' events, and to sweep the result store."""
        self._feed.start()
        self._janitor.start()

    async def complete_streams(self, seconds: float) -> None:
        """End every stream politely, this process being stopped, and wait so long at most until all have ended."""
        self._feed.begin_shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._feed.drained.wait()

    async def stop(self) -> None:
        """End every stream and close all connections."""
        await self._janitor.stop()
        await self._feed.stop()
        await self._rates.close()
        await self._store.close()

    async def submit_job(self, request: PrimesRequest) -> Submission:
        """Accept a request for primes.

        Raises:
            InvalidRequest: an argument is out of bounds.
            IdempotencyConflict: the key stands for a job with other arguments.
            QueueFull: as many jobs are open as the settings allow.
            RateLimited: the caller submits more often, or has more open, than one may.
        """
        limits = self._caller.limits
        # More than a caller may ever have open is not a matter of time.
        most = self.settings.max_count if limits is None else min(self.settings.max_count, limits.open_count)
        request = request.check(most)
        await self._rates.count_submission(self._caller)
        with tracing.send_span(queue_for(request.count)) as traceparent:
            return await self._store.submit_job(request, traceparent, self._caller)

    async def get_job(self, job_id: str, wait: timedelta = NO_WAIT, after_version: int | None = None) -> Job | None:
        """A job by its id; None when there is none.

        Args:
            job_id: any text.
            wait: how long to wait for news at most.
            after_version: news is a higher version than this; where it is None, the final state.
        """
        [job] = await self._store.get_jobs([job_id], self._caller)
        return None if job is None else await self.wait_for_update(job, wait, after_version)

    async def wait_for_update(self, job: Job, wait: timedelta, after_version: int | None = None) -> Job:
        """The newest state of a job once it is final, or newer than a version, or the time is up.

        An outage meanwhile is no failure: what was known of the job still holds.
        """
        if wait <= NO_WAIT or _is_news(job, after_version):
            return job
        with suppress(TimeoutError, BackendUnavailable, JobNotFound):
            async with asyncio.timeout(wait.total_seconds()), aclosing(self.watch_job(job.id)) as states:
                async for newer in states:
                    job = newer
                    if _is_news(job, after_version):
                        break
        return job

    async def get_jobs(self, job_ids: Sequence[str]) -> list[Job | None]:
        """The jobs with these ids, in their order; None where there is none."""
        return await self._store.get_jobs(job_ids, self._caller)

    async def list_jobs(self, request: JobPageRequest) -> JobPage:
        """A page of jobs, newest first."""
        return await self._store.list_jobs(request, self._caller)

    def watch_job(self, job_id: str, after_version: int | None = None) -> AsyncGenerator[Job]:
        """The job's current state, then each newer one, and the end after the final one. See JobFeed.watch."""
        return self._feed.watch_job(job_id, after_version, self._caller)

    async def cancel_job(self, job_id: str) -> Job:
        """End a job at once.

        Raises:
            JobNotFound: there is none with this id.
            TransitionRefused: the job is final already.
        """
        job = await self._store.cancel_job(job_id, self._caller)
        metrics.record_ended(job, queue_for(job.count))
        tracing.emit_job_span(job)
        return job

    async def retry_job(self, job_id: str) -> Job:
        """A new job with the arguments of one that failed or was cancelled.

        Raises:
            JobNotFound: there is none with this id.
            TransitionRefused: the job is neither FAILED nor CANCELLED.
            QueueFull: as many jobs are open as the settings allow.
            RateLimited: the caller submits more often, or has more open, than one may.
        """
        await self._rates.count_submission(self._caller)
        with tracing.send_span() as traceparent:
            return (await self._store.retry_job(job_id, traceparent, self._caller)).job

    async def read_primes(self, job: Job, offset: int, count: int) -> npt.NDArray[np.uint64]:
        """Up to `count` primes from the zero-based index `offset` on; fewer, or none, where the prefix ends."""
        return await self._results.primes(job, offset, count)

    async def find_index(self, job: Job, value: int) -> int | None:
        """The index of the first readable prime >= value; None when there is none."""
        return await self._results.index_of(job, value)

    async def export_result(self, job: Job, form: ExportFormat) -> ExportFile | None:
        """The result of a SUCCEEDED job as a file; None when it has expired meanwhile."""
        source = await self._results.source(job)
        return None if source is None else await export(source, form)

    async def check_result_store(self) -> None:
        """Fail with ResultStoreUnavailable where a worker could not keep a result."""
        await self._files.check()

    async def get_system_state(self) -> SystemState:
        """Queue figures and the workers that were seen lately."""
        return await self._store.get_system_state()

    async def get_server_info(self) -> ServerInfo | None:
        """How the job store itself is; None where that is not for us to know."""
        return await self._store.get_server_info()

    async def watch_system_state(self, interval: timedelta) -> AsyncGenerator[SystemState]:
        """The system's state now and at each interval, until this process is stopped. Outages are sat out."""
        while not self._feed.shutting_down.is_set():
            with suppress(BackendUnavailable):
                yield await self._store.get_system_state()
            with suppress(TimeoutError):
                async with asyncio.timeout(interval.total_seconds()):
                    await self._feed.shutting_down.wait()

    def record_served(self, primes: int, endpoint: str) -> None:
        """Count primes sent to a client by "graphql", "rest" or "download"."""
        metrics.record_served(primes, endpoint)

    @property
    def subscribers(self) -> int:
        """How many streams this process serves now."""
        return self._feed.subscribers


def _is_news(job: Job, after_version: int | None) -> bool:
    return job.status.is_final or (after_version is not None and job.version > after_version)
