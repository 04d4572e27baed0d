"""What tests of both kinds of batches do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.callers import ANYONE
from tasks.jobs import JobStatus
from tasks.requests import PrimesRequest
from tasks.storage.messages import SMALL_QUEUE
from tasks.worker.generate_segment import new_batch

if TYPE_CHECKING:
    from collections.abc import Callable

    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tests.tasks.keys import Keys

# The logger of the end of each attempt.
LOGGER = "tasks.worker.batch"


class Files:
    """The result store."""

    put: Callable[[str], None] = staticmethod(lambda _: None)

    def put_segment(self, result_id: str, *_: object) -> None:
        Files.put(result_id)


async def submitted(store: JobStore, jobs: int, count: int = 10) -> list[Job]:
    return [(await store.submit_job(PrimesRequest(count), ANYONE)).job for _ in range(jobs)]


def run_task(keys: Keys, job: Job, queue: str = SMALL_QUEUE) -> None:
    """Take the message of a job, which is the first one, and run its task."""
    assert keys.queued_segments(queue)[0] == f"{job.id}:0"
    keys.client.rpop(f"{keys.prefix}{queue}")
    new_batch(queue, "celery@here").run(job.id, 0, job.traceparent)


async def succeeded(store: JobStore, jobs: list[Job]) -> list[bool]:
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    return [job is not None and (job.status, job.version) == (JobStatus.SUCCEEDED, 3) for job in found]
