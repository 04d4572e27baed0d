"""The naive system: FastAPI, Strawberry and Celery as their tutorials combine them, for comparison.

    uvicorn tests.bench.performance.naive:app
    celery -A tests.bench.performance.naive:celery worker -c 2

`.delay()` in the resolver, Celery's result backend, and a subscription that polls it every 0.5 s. It uses the same
library for primes, the same store and the same servers. It has no limits, no idempotency, no recovery.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator  # noqa: TC003 - Strawberry evaluates annotations
from typing import Any

import strawberry
from celery import Celery
from celery.result import AsyncResult
from fastapi import FastAPI
from strawberry.fastapi import GraphQLRouter

from tasks.engine import primes_from

STORE = os.environ.get("NAIVE_STORE", "redis://127.0.0.1:6379/1")
POLL_SECONDS = 0.5

celery = Celery("naive", broker=STORE, backend=STORE)


@celery.task
def generate(count: int) -> list[int]:
    found: list[int] = primes_from(2, count).tolist()
    return found


@strawberry.type
class Job:
    id: strawberry.ID

    @strawberry.field
    def status(self) -> str:
        return str(_result(self.id).status)

    @strawberry.field
    def primes(self, first: int) -> list[int]:
        found: list[int] = _result(self.id).get()
        return found[:first]


@strawberry.type
class Query:
    @strawberry.field
    def job(self, id: strawberry.ID) -> Job:  # noqa: A002 - the argument's name in the schema
        return Job(id=id)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def generate_primes(self, count: int) -> Job:
        return Job(id=strawberry.ID(generate.delay(count).id))


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def job_completed(self, id: strawberry.ID) -> AsyncGenerator[Job]:  # noqa: A002 - as above
        while not _result(id).ready():  # noqa: ASYNC110 - a poll is what it compares with
            await asyncio.sleep(POLL_SECONDS)
        yield Job(id=id)


def _result(job_id: str) -> Any:
    return AsyncResult(job_id, app=celery)


app = FastAPI()
app.include_router(GraphQLRouter(strawberry.Schema(Query, Mutation, Subscription)), prefix="/graphql")


@app.post("/generate")
def submit(n: int) -> dict[str, str]:
    return {"request_id": generate.delay(n).id}


@app.get("/status/{request_id}")
def status(request_id: str) -> dict[str, Any]:
    result = _result(request_id)
    return {"status": result.status, "result": result.get() if result.ready() else None}
