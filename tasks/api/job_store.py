"""The API's access to job records: creating, cancelling and reading jobs. Every change is one script call.

Each method takes the caller, and the scripts find only that caller's jobs. All methods raise BackendUnavailable within
the time limits of tasks.storage.redis. Changes made by workers belong to tasks.worker.job_recorder.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self, TypeVar

from redis.exceptions import NoPermissionError

from tasks.errors import (
    BackendUnavailable,
    IdempotencyConflict,
    JobAlreadyFinished,
    JobNotFound,
    JobNotRetryable,
    QueueFull,
    RateLimited,
)
from tasks.jobs import Job, QueueStats, is_job_id, segment_count
from tasks.storage import keys, scripts
from tasks.storage.api_scripts import (
    CancelJob,
    CancelReply,
    GetJobs,
    GetSystemState,
    ListJobs,
    LiveResults,
    SubmitJob,
    SubmitReply,
)
from tasks.storage.messages import queue_for
from tasks.storage.records import moment
from tasks.storage.redis import RESPONSE_TIMEOUT, async_client, translate_errors
from tasks.storage.server_info import ServerInfo

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import redis.asyncio
    from redis.asyncio.client import PubSub

    from tasks.callers import Caller
    from tasks.jobs import JobPage, SystemState
    from tasks.requests import JobPageRequest, PrimesRequest
    from tasks.settings import JobSettings
    from tasks.storage.scripts import Script

R = TypeVar("R")

_SCRIPTS: tuple[type[Script[Any]], ...] = (SubmitJob, CancelJob, GetJobs, ListJobs, LiveResults, GetSystemState)

# The default is sent while the job completion rate is unknown.
_DEFAULT_RETRY_AFTER = timedelta(seconds=1)
_MAX_RETRY_AFTER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Submission:
    """An accepted request: its job, and whether its idempotency key found an existing one."""

    job: Job
    replayed: bool


class JobStore:
    """Creates, cancels and reads job records."""

    def __init__(self, client: redis.asyncio.Redis, settings: JobSettings) -> None:
        self._client = client
        self._settings = settings
        self._scripts = {script: client.register_script(scripts.load_script(script, settings)) for script in _SCRIPTS}

    @classmethod
    def connect(cls, settings: JobSettings) -> Self:
        """A store with its own connection, opened on first use."""
        return cls(async_client(settings), settings)

    async def close(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def submit_job(self, request: PrimesRequest, caller: Caller, traceparent: str | None = None) -> Submission:
        """Accept a checked request.

        Raises:
            IdempotencyConflict: the key was used with other arguments.
            QueueFull: the number of open jobs has reached QUEUE_CAPACITY.
            RateLimited: the caller has reached its limit of open jobs or primes.
        """
        limits = caller.limits
        return await self._submit(
            SubmitJob(
                owner=caller.owner,
                count=str(request.count),
                start=str(request.start),
                segments=segment_count(request.count),
                queue=queue_for(request.count),
                idempotency_key=request.idempotency_key,
                traceparent=traceparent,
                open_jobs=limits.open_jobs if limits else None,
                open_count=limits.open_count if limits else None,
            ),
            caller,
        )

    async def retry_job(self, job_id: str, caller: Caller, traceparent: str | None = None) -> Submission:
        """Accept a new job with the arguments of one that failed or was cancelled.

        Raises:
            JobNotFound: the caller has no job with this id.
            JobNotRetryable: the job is neither FAILED nor CANCELLED.
            QueueFull: the number of open jobs has reached QUEUE_CAPACITY.
            RateLimited: the caller has reached its limit of open jobs or primes.
        """
        _require_job_id(job_id)
        limits = caller.limits
        return await self._submit(
            SubmitJob(
                owner=caller.owner,
                retry_of=job_id,
                traceparent=traceparent,
                open_jobs=limits.open_jobs if limits else None,
                open_count=limits.open_count if limits else None,
            ),
            caller,
        )

    async def _submit(self, script: SubmitJob, caller: Caller) -> Submission:
        match reply := await self._run(script):
            case SubmitReply("limited", exceeded=exceeded):
                raise RateLimited(f"caller limit reached: {exceeded} are open", _DEFAULT_RETRY_AFTER)
            case SubmitReply("full", queue=QueueStats() as queue):
                raise QueueFull(queue, _retry_after(queue))
            case SubmitReply("created", job=Job() as new):
                return Submission(new, replayed=False)
        [job] = await self.get_jobs([str(reply.job_id)], caller)
        match reply.outcome:
            case "conflict" if job is not None:
                raise IdempotencyConflict(job)
            case "refused" if job is not None:
                raise JobNotRetryable(job)
            case "created" | "replayed" if job is not None:
                return Submission(job, replayed=reply.outcome == "replayed")
        raise JobNotFound(str(script.retry_of or reply.job_id))

    async def cancel_job(self, job_id: str, caller: Caller) -> Job:
        """Cancel a job immediately and remove its messages from the queue.

        Raises:
            JobNotFound: the caller has no job with this id.
            JobAlreadyFinished: the job's status is final.
        """
        _require_job_id(job_id)
        match await self._run(CancelJob(job=job_id, owner=caller.owner)):
            case CancelReply("cancelled", Job() as job):
                return job
            case CancelReply("refused", Job() as job):
                raise JobAlreadyFinished(job)
            case _:
                raise JobNotFound(job_id)

    async def get_jobs(self, job_ids: Sequence[str], caller: Caller) -> list[Job | None]:
        """A consistent snapshot of the caller's jobs with these ids, in order; None for any other id."""
        valid = [job_id for job_id in job_ids if is_job_id(job_id)]
        if not valid:
            return [None] * len(job_ids)
        jobs = await self._run(GetJobs(jobs=valid, owner=caller.owner))
        found = dict(zip(valid, jobs, strict=True))
        return [found.get(job_id) for job_id in job_ids]

    async def count_existing(self, job_ids: Sequence[str]) -> int:
        """How many of these jobs exist, of any caller."""
        with translate_errors():
            prefix = self._settings.key_prefix
            count: int = await self._client.exists(*(keys.job_key(prefix, job_id) for job_id in job_ids))
            return count

    async def list_jobs(self, request: JobPageRequest, caller: Caller) -> JobPage:
        """A consistent snapshot of one page of the caller's jobs, newest first."""
        return await self._run(
            ListJobs(
                owner=caller.owner,
                statuses=sorted(request.statuses),
                size=request.size,
                from_oldest=request.from_oldest,
                older_than=request.older_than,
                newer_than=request.newer_than,
                # Jobs have timestamps in whole milliseconds: round each bound so that it selects the same jobs.
                created_after_ms=_epoch_ms(request.created_after, math.floor),
                created_before_ms=_epoch_ms(request.created_before, math.ceil),
            )
        )

    async def live_result_ids(self, result_ids: Sequence[str]) -> set[str]:
        """Those of the given result ids whose results can still be read or written."""
        return await self._run(LiveResults(result_ids=result_ids))

    async def get_encoded_result(self, job_id: str) -> bytes | None:
        """The delta-coded primes of a small job; None before they are stored and after they have expired."""
        with translate_errors():
            encoded: bytes | None = await self._client.get(keys.result_key(self._settings.key_prefix, job_id))  # type: ignore[assignment] # replies are not decoded
            return encoded

    async def get_system_state(self) -> SystemState:
        """The state of the queue, and the workers with a recent heartbeat."""
        return await self._run(GetSystemState())

    async def get_server_info(self) -> ServerInfo | None:
        """The server's persistence and memory state; None without permission for INFO."""
        with translate_errors():
            try:
                return ServerInfo.parse(await self._client.info())
            except NoPermissionError:
                return None

    async def subscribe_events(self) -> PubSub:
        """A dedicated connection subscribed to the events of all jobs. Returns once the server has confirmed it."""
        subscription = self._client.pubsub()
        try:
            with translate_errors():
                async with asyncio.timeout(RESPONSE_TIMEOUT.total_seconds()):
                    await subscription.subscribe(keys.events_channel(self._settings.key_prefix))
                    confirmation = await subscription.get_message(timeout=RESPONSE_TIMEOUT.total_seconds())
            if confirmation is None:
                raise BackendUnavailable  # noqa: TRY301 - closed below like after any other failure
        except BaseException:
            await subscription.aclose()  # type: ignore[no-untyped-call]
            raise
        return subscription

    async def _run(self, script: Script[R]) -> R:
        with translate_errors():
            reply = await self._scripts[type(script)](keys=[self._settings.key_prefix], args=script.encode())
        return script.parse(reply)


def _require_job_id(job_id: str) -> None:
    if not is_job_id(job_id):
        raise JobNotFound(job_id)


def _epoch_ms(time: datetime | None, round_ms: Callable[[float], int]) -> int | None:
    return None if time is None else round_ms((time - moment(0)) / timedelta(milliseconds=1))


def _retry_after(queue: QueueStats) -> timedelta:
    if queue.estimated_wait is None:
        return _DEFAULT_RETRY_AFTER
    return min(max(queue.estimated_wait / 10, _DEFAULT_RETRY_AFTER), _MAX_RETRY_AFTER)
