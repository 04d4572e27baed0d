"""The job service: the interface of this package for GraphQL and REST. Neither calls anything below it.

A process has one JobSystem, and a JobService for each caller. Their methods raise BackendUnavailable when the store
does not respond.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, aclosing, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from tasks.api.feed import JobFeed
from tasks.api.hash_store import HashStore
from tasks.api.janitor import ResultJanitor
from tasks.api.job_store import JobStore
from tasks.api.rate_limit import SubmissionRateLimiter
from tasks.errors import BackendUnavailable, JobNotFound
from tasks.exports.formats import export
from tasks.instrumentation import metrics, tracing
from tasks.results.reader import ResultReader
from tasks.results.segments import SegmentStore
from tasks.settings.errors import InvalidSettingError
from tasks.storage.messages import queue_for
from tasks.storage.server_info import ServerInfo

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    import numpy as np
    import numpy.typing as npt

    from tasks.api.job_store import Submission
    from tasks.callers import Caller
    from tasks.exports.formats import ExportFile, ExportFormat
    from tasks.jobs import Job, JobPage, JobUpdate, SystemState
    from tasks.requests import JobPageRequest, PrimesRequest
    from tasks.settings import JobSettings

# Also the types that the service returns or offers: gql and schema import nothing below this module.
__all__ = ["NO_WAIT", "HashStore", "JobService", "JobSystem", "ServerInfo"]

NO_WAIT = timedelta(0)


class JobSystem:
    """Owns the connections and background loops of a process. `for_caller` gives access to one caller's jobs."""

    def __init__(self, store: JobStore, feed: JobFeed, files: SegmentStore, settings: JobSettings) -> None:
        self._store = store
        self._feed = feed
        self._files = files
        self._results = ResultReader(store, files)
        self._rate_limiter = SubmissionRateLimiter.connect(settings)
        self._janitor = ResultJanitor(store, files)
        self.settings = settings

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """A system with its own connections, which are opened on first use.

        Raises:
            InvalidSettingError: there can be no result store at RESULTS_URL.
        """
        store = JobStore.connect(settings)
        try:
            files = SegmentStore.connect(settings.result_store_url)
        except ValueError as error:
            raise InvalidSettingError(f"RESULTS_URL is invalid: {error}") from error
        return cls(store, JobFeed(store), files, settings)

    def start(self) -> None:
        """Start the event feed and the deletion of old results."""
        self._feed.start()
        self._janitor.start()

    async def complete_streams(self, seconds: float) -> None:
        """Graceful shutdown: end all streams, and wait up to `seconds` until they have ended."""
        self._feed.begin_shutdown()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._feed.drained.wait()

    async def stop(self) -> None:
        """End all streams, stop background loops and close all connections."""
        async with AsyncExitStack() as closing:
            # In reverse order, each even if another fails.
            for close in (self._store.close, self._rate_limiter.close, self._feed.stop, self._janitor.stop):
                closing.push_async_callback(close)

    def for_caller(self, caller: Caller) -> JobService:
        """The jobs of one caller."""
        max_count = self.settings.max_count
        return JobService(caller, max_count, self._store, self._feed, self._results, self._rate_limiter)

    async def check_result_store(self) -> None:
        """Raise ResultStoreUnavailable unless a result could be stored."""
        await self._files.check()

    async def get_system_state(self) -> SystemState:
        """The state of the queue, and the workers with a recent heartbeat."""
        return await self._store.get_system_state()

    async def get_server_info(self) -> ServerInfo | None:
        """The persistence and memory state of the job store; None without permission for INFO."""
        return await self._store.get_server_info()

    async def watch_system_state(self, interval: timedelta) -> AsyncGenerator[SystemState]:
        """Yield the system's state now and at each interval until this process shuts down. Skips outages."""
        while not self._feed.shutting_down.is_set():
            with suppress(BackendUnavailable):
                yield await self._store.get_system_state()
            with suppress(TimeoutError):
                async with asyncio.timeout(interval.total_seconds()):
                    await self._feed.shutting_down.wait()

    @property
    def subscribers(self) -> int:
        """Number of job streams that this process serves now."""
        return self._feed.subscribers


class JobService:
    """Submits, reads, watches, cancels and retries the jobs of one caller. Made by JobSystem.for_caller."""

    def __init__(  # noqa: PLR0913, PLR0917 - called by JobSystem only
        self,
        caller: Caller,
        max_count: int,
        store: JobStore,
        feed: JobFeed,
        results: ResultReader,
        rate_limiter: SubmissionRateLimiter,
    ) -> None:
        self._caller = caller
        self._max_count = max_count
        self._store = store
        self._feed = feed
        self._results = results
        self._rate_limiter = rate_limiter

    async def submit_job(self, request: PrimesRequest) -> Submission:
        """Accept a request: store and queue its job.

        Raises:
            InvalidRequest: an argument is out of bounds.
            IdempotencyConflict: the key was used with other arguments.
            QueueFull: the number of open jobs has reached QUEUE_CAPACITY.
            RateLimited: the caller has reached its limit of submissions, open jobs or open primes.
        """
        limits = self._caller.limits
        # A count above the caller's limit of open primes can never be accepted: InvalidRequest, not RateLimited.
        max_count = self._max_count if limits is None else min(self._max_count, limits.open_count)
        request = request.check(max_count)
        await self._rate_limiter.count_submission(self._caller)
        with tracing.send_span(queue_for(request.count)) as traceparent:
            return await self._store.submit_job(request, self._caller, traceparent)

    async def get_job(self, job_id: str, wait: timedelta = NO_WAIT, after_version: int | None = None) -> Job | None:
        """A job by its id; None when it does not exist.

        Args:
            job_id: any text.
            wait: maximum time to wait for an update.
            after_version: wait for a version above this one; None: wait for the final state.
        """
        [job] = await self._store.get_jobs([job_id], self._caller)
        return None if job is None else await self.wait_for_update(job, wait, after_version)

    async def wait_for_update(self, job: Job, wait: timedelta, after_version: int | None = None) -> Job | None:
        """The newest state of a job, once it is final, or newer than `after_version`, or `wait` has passed.

        Returns None when the job expires or is deleted meanwhile, and the last known state when the store becomes
        unavailable.
        """
        if wait <= NO_WAIT or _is_update(job, after_version):
            return job
        try:
            async with asyncio.timeout(wait.total_seconds()), aclosing(self.watch_job(job.id)) as updates:
                async for update in updates:
                    job = update.job
                    if _is_update(job, after_version):
                        break
        except JobNotFound:
            return None
        except BackendUnavailable:
            return job
        except TimeoutError:
            # A job that does not exist any more has no event.
            with suppress(BackendUnavailable):
                [found] = await self._store.get_jobs([job.id], self._caller)
                return found
        return job

    async def get_jobs(self, job_ids: Sequence[str]) -> list[Job | None]:
        """The jobs with these ids, in order; None for each that does not exist."""
        return await self._store.get_jobs(job_ids, self._caller)

    async def list_jobs(self, request: JobPageRequest) -> JobPage:
        """A page of jobs, newest first."""
        return await self._store.list_jobs(request, self._caller)

    def watch_job(
        self, job_id: str, after_version: int | None = None, *, final_only: bool = False
    ) -> AsyncGenerator[JobUpdate]:
        """Yield the job's current state and then each newer one until the final one: see JobFeed.watch_job."""
        return self._feed.watch_job(job_id, self._caller, after_version, final_only=final_only)

    async def cancel_job(self, job_id: str) -> Job:
        """Cancel a job immediately.

        Raises:
            JobNotFound: the caller has no job with this id.
            JobAlreadyFinished: the job's status is final.
        """
        job = await self._store.cancel_job(job_id, self._caller)
        metrics.record_job_duration(job, queue_for(job.count))
        tracing.emit_job_span(job)
        return job

    async def retry_job(self, job_id: str) -> Job:
        """Submit a new job with the arguments of one that failed or was cancelled.

        Raises:
            JobNotFound: the caller has no job with this id.
            JobNotRetryable: the job is neither FAILED nor CANCELLED.
            QueueFull: the number of open jobs has reached QUEUE_CAPACITY.
            RateLimited: the caller has reached its limit of submissions, open jobs or open primes.
        """
        await self._rate_limiter.count_submission(self._caller)
        with tracing.send_span() as traceparent:
            return (await self._store.retry_job(job_id, self._caller, traceparent)).job

    async def read_primes(self, job: Job, offset: int, count: int) -> npt.NDArray[np.uint64]:
        """Up to `count` primes starting at the zero-based index `offset`; fewer at the end of the completed prefix."""
        return await self._results.primes(job, offset, count)

    async def find_index(self, job: Job, value: int) -> int | None:
        """The index of the first readable prime >= value; None if all are smaller."""
        return await self._results.index_of(job, value)

    async def export_result(self, job: Job, form: ExportFormat) -> ExportFile | None:
        """The result of a SUCCEEDED job as a file; None when it has expired meanwhile."""
        source = await self._results.source(job)
        return None if source is None else await export(source, form)

    def record_primes_served(self, primes: int, endpoint: str) -> None:
        """Count primes sent to a client by "graphql", "rest" or "download"."""
        metrics.record_primes_served(primes, endpoint)


def _is_update(job: Job, after_version: int | None) -> bool:
    return job.status.is_final or (after_version is not None and job.version > after_version)
