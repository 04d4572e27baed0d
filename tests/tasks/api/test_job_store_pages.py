"""Pages of jobs equal those of a model that filters and slices one list of all jobs."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tasks.callers import ANYONE
from tasks.jobs import JobStatus
from tasks.requests import JobPageRequest, PrimesRequest
from tests.tasks.keys import compute_result, grant_claim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.api.job_store import JobStore
    from tasks.jobs import Job
    from tasks.worker.job_recorder import JobRecorder
    from tests.tasks.keys import Keys

MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Expected:
    """The expected page."""

    ids: list[str]
    newer: int
    older: int
    total: int


def expected(jobs: Sequence[Job], request: JobPageRequest) -> Expected:
    """The page by the model, from a list of all jobs."""
    filtered = [
        job.id
        for job in sorted(jobs, key=lambda job: job.id, reverse=True)
        if job.status in request.statuses
        and (request.created_after is None or job.created_at > request.created_after)
        and (request.created_before is None or job.created_at < request.created_before)
    ]
    between = [
        job_id
        for job_id in filtered
        if (request.older_than is None or job_id < request.older_than)
        and (request.newer_than is None or job_id > request.newer_than)
    ]
    page = between[-request.size :] if request.from_oldest else between[: request.size]
    if page:
        newer, older = sum(i > page[0] for i in filtered), sum(i < page[-1] for i in filtered)
    else:
        newer = sum(i >= request.older_than for i in filtered) if request.older_than else 0
        older = sum(i <= request.newer_than for i in filtered) if request.newer_than else 0
    return Expected(page, newer, older, len(filtered))


async def submit_mixed_jobs(store: JobStore, recorder: JobRecorder, count: int) -> list[Job]:
    """Jobs in different statuses."""
    jobs = [(await store.submit_job(PrimesRequest(1), ANYONE)).job for _ in range(count)]
    for number, job in enumerate(jobs):
        if number % 4 == 1:
            await store.cancel_job(job.id, ANYONE)
        elif number % 4 > 1:
            claim = grant_claim(recorder, job)
            if number % 4 == 2:
                recorder.complete_segment(claim, compute_result(claim))
    found = await store.get_jobs([job.id for job in jobs], ANYONE)
    return [job for job in found if job is not None]


def random_request(rng: random.Random, jobs: Sequence[Job]) -> JobPageRequest:
    """Cursors and times at, between and beyond those of the jobs."""

    def cursor() -> str | None:
        outside = ["0" * 8 + "-0000-7000-8000-" + "0" * 12, str(uuid.UUID(int=2**128 - 1))]
        return rng.choice([None, None, rng.choice(jobs).id, rng.choice(outside)])

    def moment() -> datetime | None:
        near = rng.choice(jobs).created_at + rng.choice([-1, -0.5, 0, 0.5, 1]) * MILLISECOND
        far = [datetime(1, 1, 2, tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)]
        return rng.choice([None, None, near, near, rng.choice(far)])

    return JobPageRequest(
        size=rng.choice([1, 2, 5, 100]),
        from_oldest=rng.random() < 0.5,
        older_than=cursor(),
        newer_than=cursor(),
        statuses=frozenset(rng.sample(list(JobStatus), rng.randint(1, 5))),
        created_after=moment(),
        created_before=moment(),
    )


async def test_random_pages_equal_the_model(store: JobStore, recorder: JobRecorder) -> None:
    jobs = await submit_mixed_jobs(store, recorder, 24)
    # A different seed in every run; a failure shows the request.
    rng = random.Random(random.getrandbits(32))
    for _ in range(500):
        request = random_request(rng, jobs)
        page = await store.list_jobs(request, ANYONE)
        found = Expected([job.id for job in page.jobs], page.newer, page.older, page.total)
        assert found == expected(jobs, request), request


@pytest.mark.parametrize("size", [1, 3, 24, 25])
async def test_all_pages_together_are_the_whole_list_in_both_directions(
    store: JobStore, recorder: JobRecorder, size: int
) -> None:
    jobs = await submit_mixed_jobs(store, recorder, 24)
    everything = sorted((job.id for job in jobs), reverse=True)

    down: list[str] = []
    request = JobPageRequest(size)
    while (page := await store.list_jobs(request, ANYONE)).jobs:
        down += [job.id for job in page.jobs]
        assert (page.newer, page.older) == (len(down) - len(page.jobs), len(everything) - len(down))
        request = replace(request, older_than=page.jobs[-1].id)
    assert down == everything

    up: list[str] = []
    request = JobPageRequest(size, from_oldest=True)
    while (page := await store.list_jobs(request, ANYONE)).jobs:
        up = [job.id for job in page.jobs] + up
        request = replace(request, newer_than=page.jobs[0].id)
    assert up == everything


async def test_pages_are_stable_while_jobs_are_submitted(store: JobStore) -> None:
    old = [(await store.submit_job(PrimesRequest(1), ANYONE)).job.id for _ in range(4)]
    [first, second] = (await store.list_jobs(JobPageRequest(2), ANYONE)).jobs
    for _ in range(3):
        await store.submit_job(PrimesRequest(1), ANYONE)
    page = await store.list_jobs(JobPageRequest(2, older_than=second.id), ANYONE)
    assert [job.id for job in (first, second, *page.jobs)] == sorted(old, reverse=True)
    assert (page.newer, page.older, page.total) == (5, 0, 7)


async def test_empty_list_is_an_empty_page(store: JobStore) -> None:
    page = await store.list_jobs(JobPageRequest(10), ANYONE)
    assert (page.jobs, page.newer, page.older, page.total) == ((), 0, 0, 0)


async def test_each_job_is_listed_under_its_current_status_only(
    store: JobStore, recorder: JobRecorder, keys: Keys
) -> None:
    jobs = await submit_mixed_jobs(store, recorder, 8)
    assert keys.statuses_by_job() == {job.id: [job.status] for job in jobs}
    queued = await store.list_jobs(JobPageRequest(10, statuses=frozenset({JobStatus.QUEUED})), ANYONE)
    assert queued.total == 2
    assert all(job.status is JobStatus.QUEUED for job in queued.jobs)
