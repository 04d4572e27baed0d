"""The list of jobs: a Relay connection, newest first."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Self

import strawberry

from schema.types.job import Job
from schema.types.pagination import PageInfo, cursor_refused, decode_cursor, encode_cursor
from tasks import jobs, requests
from tasks.jobs import JobStatus

if TYPE_CHECKING:
    from schema.context import Info
    from schema.types.pagination import PageArguments

_CURSOR = "job"


@strawberry.input(description="Which jobs to list; conditions are combined by and.")
class JobFilter:
    """Which jobs to list."""

    statuses: list[JobStatus] | None = strawberry.field(default=None, description="Any of these; null: all.")
    created_after: datetime | None = strawberry.field(default=None, description="Created later than this moment.")
    created_before: datetime | None = strawberry.field(default=None, description="Created earlier than this moment.")


@strawberry.type(description="A job in a page.")
class JobEdge:
    """A job in a page."""

    cursor: str = strawberry.field(description="Opaque; stands for this job's place, even when the job is gone.")
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of jobs, newest first.")
class JobConnection:
    """A page of jobs."""

    edges: list[JobEdge] = strawberry.field(description="The jobs with cursors.")
    page_info: PageInfo = strawberry.field(description="Where this page stands among all jobs that the filter admits.")
    total_count: int = strawberry.field(description="Jobs that the filter admits.")

    @classmethod
    def of(cls, page: jobs.JobPage) -> Self:
        """From the domain."""
        edges = [JobEdge(cursor=encode_cursor(_CURSOR, job.id), node=Job.of(job)) for job in page.jobs]
        info = PageInfo(
            has_next_page=page.older > 0,
            has_previous_page=page.newer > 0,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        )
        return cls(edges=edges, page_info=info, total_count=page.total)


async def page_of_jobs(info: Info, arguments: PageArguments, chosen: JobFilter) -> JobConnection:
    """The page that a caller's paging arguments and filter name."""
    request = requests.JobPageRequest(
        size=arguments.size(info.context.limits.max_page_size),
        from_oldest=arguments.last is not None,
        older_than=None if arguments.after is None else _job_id("after", arguments.after),
        newer_than=None if arguments.before is None else _job_id("before", arguments.before),
        statuses=frozenset(JobStatus if chosen.statuses is None else chosen.statuses),
        created_after=chosen.created_after,
        created_before=chosen.created_before,
    )
    return JobConnection.of(await info.context.service.list_jobs(request))


def _job_id(argument: str, cursor: str) -> str:
    job_id = decode_cursor(_CURSOR, argument, cursor)
    if not jobs.is_job_id(job_id):
        raise cursor_refused(argument, cursor)
    return job_id
