"""Uses the client that ariadne-codegen generates, typed from arguments to results. Prints the results as JSON.

python usage.py URL
"""

# ruff: noqa: INP001 - a program beside the package that it imports

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
    """Submit, follow and page, and submit an invalid request."""
    async with PrimesClient(url, ws_url=url.replace("http", "ws", 1)) as client:
        job = await submit(client, GeneratePrimesInput(count=10, start=100))
        statuses = [status async for status in follow(client, job.id)]
        page = (await client.page(job.id, first=10)).job
        assert page is not None
        values: list[int] = [edge.node.value for edge in page.primes.edges]
        refused = (await client.submit(GeneratePrimesInput(count=0))).generate_primes
        assert isinstance(refused, SubmitGeneratePrimesValidationError)
        bounds: tuple[int | None, int | None] = (refused.issues[0].min, refused.issues[0].max)
    age: timedelta = datetime.now(job.created_at.tzinfo) - job.created_at
    received = {"statuses": statuses, "values": values, "bounds": bounds, "is_young": age < timedelta(minutes=5)}
    sys.stdout.write(json.dumps(received))


async def submit(client: PrimesClient, request: GeneratePrimesInput) -> JobState:
    """Submit a request. Returns the job, or raises an error with the reason."""
    outcome = (await client.submit(request)).generate_primes
    if isinstance(outcome, SubmitGeneratePrimesGeneratePrimesAccepted):
        return outcome.job
    raise RuntimeError(f"{outcome.typename__}: {outcome.message}")


async def follow(client: PrimesClient, job_id: str) -> AsyncIterator[JobStatus]:
    """Each status of the job, to the final one."""
    async for event in client.follow(job_id):
        assert isinstance(event.job_updates, FollowJobUpdatesJobUpdate)
        yield event.job_updates.job.status


async def rejected_by_types(client: PrimesClient) -> None:
    """Never run: the type checker must report an error in each line."""
    GeneratePrimesInput()  # type: ignore[call-arg]
    GeneratePrimesInput(count="10")  # type: ignore[arg-type]
    await client.cancel()  # type: ignore[call-arg]
    _ = (await client.submit(GeneratePrimesInput(count=1))).generate_primes.job  # type: ignore[union-attr]


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
