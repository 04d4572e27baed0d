"""Queries. A resolver unpacks, calls the service once and wraps.

A field that has no union of results answers what can't be answered with a GraphQL error that has a code.
"""

from __future__ import annotations

from typing import Annotated

import strawberry

from schema.context import Info
from schema.errors.codes import RequestRefusedError, as_graphql_errors
from schema.types.job import Job
from schema.types.job_connection import JobConnection, JobFilter, page_of_jobs
from schema.types.node import JobId, Node, NodeId
from schema.types.pagination import After, Before, First, Last, PageArguments
from schema.types.system import Limits, SystemStats


@strawberry.type(description="What can be read.")
class Query:
    """What can be read."""

    @strawberry.field(description="Whatever has this id; null when there is nothing.")
    async def node(self, info: Info, id: NodeId) -> Node | None:
        """Whatever has this id."""
        with as_graphql_errors():
            job = await info.context.service.get_job(id)
        return None if job is None else Job.of(job)

    @strawberry.field(description="Whatever has these ids, in their order; null where there is nothing.")
    async def nodes(
        self, info: Info, ids: Annotated[list[strawberry.ID], strawberry.argument(description="Nodes' ids.")]
    ) -> list[Node | None]:
        """Whatever has these ids."""
        if len(ids) > info.context.limits.max_page_size:
            raise RequestRefusedError(f"there are {len(ids)} ids, must be {info.context.limits.max_page_size} at most")
        with as_graphql_errors():
            found = await info.context.service.get_jobs(ids)
        return [None if job is None else Job.of(job) for job in found]

    @strawberry.field(
        description=(
            "Null: no such job (never existed, expired, or somebody else's). With waitMs, answers once the job is "
            "final, or its version exceeds afterVersion, or the time is up."
        )
    )
    async def job(
        self,
        info: Info,
        id: JobId,
        wait_ms: Annotated[
            int, strawberry.argument(description="How long to wait for news at most; up to limits.maxWaitMs.")
        ] = 0,
        after_version: Annotated[
            int | None, strawberry.argument(description="News is a higher version than this; null: the final state.")
        ] = None,
    ) -> Job | None:
        """One job."""
        with as_graphql_errors():
            job = await info.context.service.get_job(id, info.context.wait(wait_ms), after_version)
        return None if job is None else Job.of(job)

    @strawberry.field(description="All jobs, newest first.")
    async def jobs(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[JobFilter | None, strawberry.argument(description="Which jobs to list; null: all.")] = None,
    ) -> JobConnection:
        """All jobs."""
        with as_graphql_errors():
            return await page_of_jobs(info, PageArguments(first, after, last, before), filter or JobFilter())

    @strawberry.field(description="How full the system is, and who works.")
    async def system(self, info: Info) -> SystemStats:
        """How full the system is, and who works."""
        service = info.context.service
        with as_graphql_errors():
            return SystemStats.of(await service.get_system_state(), service.subscribers)

    @strawberry.field(description="What one may ask for.")
    def limits(self, info: Info) -> Limits:
        """What one may ask for."""
        return Limits.of(info.context.service, info.context.limits)
