"""What ariadne-codegen's client lets one write: typed from the arguments to the last field. Writes what it found.

python usage.py URL
"""

# ruff: noqa: INP001 - a program of its own, beside the package it imports

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from primes_client import GeneratePrimesInput, JobState, JobStatus, PrimesClient
from primes_client.follow import FollowJobUpdatesJobUpdate
from primes_client.submit import SubmitGeneratePrimesGeneratePrimesAccepted, SubmitGeneratePrimesValidationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


async def main(url: str) -> None:
    """Submit, follow, page, and be refused."""
    async with PrimesClient(url, ws_url=url.replace("http", "ws", 1)) as client:
        job = await submitted(client, GeneratePrimesInput(count=10, start=100))
        statuses = [status async for status in followed(client, job.id)]
        page = (await client.page(job.id, first=10)).job
        assert page is not None
        values: list[int] = [edge.node.value for edge in page.primes.edges]
        refused = (await client.submit(GeneratePrimesInput(count=0))).generate_primes
        assert isinstance(refused, SubmitGeneratePrimesValidationError)
        bounds: tuple[int | None, int | None] = (refused.issues[0].min, refused.issues[0].max)
    age: timedelta = datetime.now(job.created_at.tzinfo) - job.created_at
    received = {"statuses": statuses, "values": values, "bounds": bounds, "is_young": age < timedelta(minutes=5)}
    sys.stdout.write(json.dumps(received))


async def submitted(client: PrimesClient, request: GeneratePrimesInput) -> JobState:
    """The job, or an error that says why there is none."""
    outcome = (await client.submit(request)).generate_primes
    if isinstance(outcome, SubmitGeneratePrimesGeneratePrimesAccepted):
        return outcome.job
    raise RuntimeError(f"{outcome.typename__}: {outcome.message}")


async def followed(client: PrimesClient, job_id: str) -> AsyncIterator[JobStatus]:
    """Each status of the job, to the final one."""
    async for event in client.follow(job_id):
        assert isinstance(event.job_updates, FollowJobUpdatesJobUpdate)
        yield event.job_updates.job.status


async def refused_by_types(client: PrimesClient) -> None:
    """Never run: each line is an error to the type checker, which complains where it is not."""
    GeneratePrimesInput()  # type: ignore[call-arg]
    GeneratePrimesInput(count="10")  # type: ignore[arg-type]
    await client.cancel()  # type: ignore[call-arg]
    _ = (await client.submit(GeneratePrimesInput(count=1))).generate_primes.job  # type: ignore[union-attr]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
