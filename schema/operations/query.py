"""Queries. A resolver unpacks its arguments, calls the service once and wraps the reply.

These fields have no union of results: an expected failure is a GraphQL error with a code (schema.errors.convert).
"""

from __future__ import annotations

from typing import Annotated

import strawberry

from schema.context import Info
from schema.error_codes import RequestRefusedError
from schema.types.job import Job
from schema.types.job_connection import JobConnection, JobFilter, page_of_jobs
from schema.types.node import JobId, Node, NodeId
from schema.types.pagination import After, Before, First, Last, PageArguments
from schema.types.system import Limits, SystemStats


@strawberry.type(description="Operations that read.")
class Query:
    @strawberry.field(description="The node with this id. Null if no such node exists.")
    async def node(self, info: Info, id: NodeId) -> Node | None:
        job = await info.context.service.get_job(id)
        return None if job is None else Job.of(job)

    @strawberry.field(description="The nodes with these ids, in the same order. Null for each id without a node.")
    async def nodes(
        self,
        info: Info,
        ids: Annotated[
            list[strawberry.ID], strawberry.argument(description="Ids of nodes, at most limits.maxPageSize.")
        ],
    ) -> list[Node | None]:
        if len(ids) > info.context.limits.max_page_size:
            raise RequestRefusedError(
                f"ids has {len(ids)} items, must have at most {info.context.limits.max_page_size}"
            )
        found = await info.context.service.get_jobs(ids)
        return [None if job is None else Job.of(job) for job in found]

    @strawberry.field(
        description=(
            "The job with this id. Null if it does not exist, has expired or belongs to another caller. With waitMs, "
            "responds when the job is final, its version exceeds afterVersion, or the time is over."
        )
    )
    async def job(
        self,
        info: Info,
        id: JobId,
        wait_ms: Annotated[
            int, strawberry.argument(description="Maximum milliseconds to wait for a change, up to limits.maxWaitMs.")
        ] = 0,
        after_version: Annotated[
            int | None,
            strawberry.argument(description="Wait for a higher version than this. Null: wait for the final state."),
        ] = None,
    ) -> Job | None:
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
        filter: Annotated[JobFilter | None, strawberry.argument(description="Which jobs to list. Null: all.")] = None,
    ) -> JobConnection:
        return await page_of_jobs(info, PageArguments(first, after, last, before), filter or JobFilter())

    @strawberry.field(description="Queue figures and active workers.")
    async def system(self, info: Info) -> SystemStats:
        system = info.context.system
        return SystemStats.of(await system.get_system_state(), system.subscribers)

    @strawberry.field(description="Limits of requests.")
    def limits(self, info: Info) -> Limits:
        return Limits.of(info.context.system, info.context.limits)
