"""The list of jobs: a Relay connection, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

import strawberry

from schema.types.job import Job
from schema.types.pagination import PageInfo, decode_cursor, encode_cursor, invalid_cursor
from tasks import jobs, requests
from tasks.jobs import JobStatus

if TYPE_CHECKING:
    from schema.context import Info
    from schema.types.pagination import PageArguments

_CURSOR = "job"


@strawberry.input(description="Conditions for listed jobs. All of them must hold.")
class JobFilter:
    statuses: list[JobStatus] | None = strawberry.field(default=None, description="One of these statuses. Null: any.")
    created_after: datetime | None = strawberry.field(default=None, description="Created after this time.")
    created_before: datetime | None = strawberry.field(default=None, description="Created before this time.")


@strawberry.type(description="A job in a page.")
class JobEdge:
    cursor: str = strawberry.field(description="Opaque cursor. Stays valid after the job has expired.")
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of jobs, newest first.")
class JobConnection:
    edges: list[JobEdge] = strawberry.field(description="The jobs with their cursors.")
    page_info: PageInfo = strawberry.field(description="Position of this page among the jobs that match the filter.")
    total_count: int = strawberry.field(description="Number of jobs that match the filter.")

    @classmethod
    def of(cls, page: jobs.JobPage) -> Self:
        edges = [JobEdge(cursor=encode_cursor(_CURSOR, job.id), node=Job.of(job)) for job in page.jobs]
        info = PageInfo(
            has_next_page=page.older > 0,
            has_previous_page=page.newer > 0,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )
        return cls(edges=edges, page_info=info, total_count=page.total)


async def page_of_jobs(info: Info, arguments: PageArguments, job_filter: JobFilter) -> JobConnection:
    """The requested page of the jobs that match a filter."""
    request = requests.JobPageRequest(
        size=arguments.size(info.context.limits.max_page_size),
        from_oldest=arguments.last is not None,
        older_than=None if arguments.after is None else _job_id("after", arguments.after),
        newer_than=None if arguments.before is None else _job_id("before", arguments.before),
        statuses=frozenset(JobStatus if job_filter.statuses is None else job_filter.statuses),
        created_after=job_filter.created_after,
        created_before=job_filter.created_before,
    )
    return JobConnection.of(await info.context.service.list_jobs(request))


def _job_id(argument: str, cursor: str) -> str:
    job_id = decode_cursor(_CURSOR, argument, cursor)
    if not jobs.is_job_id(job_id):
        raise invalid_cursor(argument, cursor)
    return job_id
