"""Waiting for jobs to end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.callers import ANYONE
from tests.waiting import eventually

if TYPE_CHECKING:
    from tasks.api.job_store import JobStore
    from tasks.jobs import Job


async def wait_until_final(store: JobStore, job: Job, seconds: float = 15) -> Job:
    final: list[Job] = []

    async def is_final() -> bool:
        [found] = await store.get_jobs([job.id], ANYONE)
        assert found is not None
        final[:] = [found]
        return found.status.is_final

    await eventually(is_final, seconds)
    return final[0]
