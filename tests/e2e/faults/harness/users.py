"""People who use the system while it is broken: they ask again until they are answered, and resume what breaks off."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Self

import httpx
import websockets

from tests.e2e.live_updates.transports import TRANSPORTS, Unavailable

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, Order

SUBMIT = """mutation ($input: GeneratePrimesInput!) { generatePrimes(input: $input) {
    __typename ... on GeneratePrimesAccepted { job { id } } ... on UserError { message retryable }
} }"""
CANCEL = """mutation ($id: ID!) { cancelJob(id: $id) {
    __typename ... on UserError { message retryable } ... on JobAlreadyFinished { job { status } }
} }"""

# An API that is frozen or gone, seen from a client. Long enough for what the API itself waits for.
ANSWER_SECONDS = 5
PAUSE_SECONDS = 0.1
PATIENCE_SECONDS = 60

# Streams end of themselves in these ways when the other side dies.
BROKEN = (Unavailable, httpx.TransportError, websockets.WebSocketException, OSError, EOFError)
STREAMS = ("websocket", "event stream", "multipart")


class Refused(Exception):
    """Not now: nothing was acknowledged, and the same request may succeed later."""


async def ask(client: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    """The data of an operation that must not fail."""
    answer = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in answer, answer
    data: dict[str, Any] = answer["data"]
    return data


class Person:
    """Asks any of the APIs, and the next one when there is no answer. What was acknowledged goes into the ledger."""

    def __init__(self, urls: Sequence[str], expected_jobs: ExpectedJobs, chance: random.Random) -> None:
        self._urls = urls
        self._expected_jobs = expected_jobs
        self._chance = chance
        self._client = httpx.AsyncClient(timeout=ANSWER_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def submit(self, order: Order) -> str:
        """The id of the job; asks with the same idempotency key until there is one."""
        key = uuid.UUID(int=self._chance.getrandbits(128)).hex
        by_rest = order.start == 2 and self._chance.random() < 0.5
        job_id = str(await self._insist(self._by_rest if by_rest else self._by_graphql, order, key))
        self._expected_jobs.acknowledged(job_id, order)
        return job_id

    async def cancel(self, job_id: str) -> None:
        """Cancel, unless the job is final already. Until it is acknowledged, both may be what has happened."""
        order = self._expected_jobs.orders[job_id]
        order.may_end |= {"CANCELLED"}
        outcome = await self._insist(self._cancel, job_id)
        order.may_end = frozenset({outcome})

    async def follow(self, job_id: str, transport: str | None = None) -> None:
        """To the end, on one transport or on any, resuming after what was seen. What is told goes into the ledger."""
        received = self._expected_jobs.begin(job_id)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not (received and received[-1]["isFinal"]):
                stream = TRANSPORTS[transport or self._chance.choice(STREAMS)]
                try:
                    async for state in stream(self._url(), job_id, received[-1]["version"] if received else None):
                        received.append(state)
                except BROKEN:
                    await asyncio.sleep(PAUSE_SECONDS)
                except AssertionError as error:
                    # How a follower names a stream whose server was ended politely.
                    if "complete" not in str(error):
                        raise

    async def _insist(self, request: Any, *arguments: Any) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    return await request(*arguments)
                except (Refused, httpx.TransportError):
                    await asyncio.sleep(PAUSE_SECONDS)

    async def _by_rest(self, order: Order, key: str) -> str:
        answer = await self._client.post(f"{self._url()}/generate?n={order.count}", headers={"Idempotency-Key": key})
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise Refused(answer.text)
        assert answer.status_code == httpx.codes.OK, answer.text
        return str(answer.json()["request_id"])

    async def _by_graphql(self, order: Order, key: str) -> str:
        wanted = {"count": order.count, "start": order.start, "idempotencyKey": key}
        reply = (await self._post(SUBMIT, input=wanted))["generatePrimes"]
        assert reply["__typename"] == "GeneratePrimesAccepted", reply
        return str(reply["job"]["id"])

    async def _cancel(self, job_id: str) -> str:
        reply = (await self._post(CANCEL, id=job_id))["cancelJob"]
        if reply["__typename"] == "JobAlreadyFinished":
            return str(reply["job"]["status"])
        assert reply["__typename"] == "CancelJobAccepted", reply
        return "CANCELLED"

    async def _post(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = await self._client.post(f"{self._url()}/graphql", json={"query": query, "variables": variables})
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise Refused(answer.text)
        assert "errors" not in answer.json(), answer.text
        data: dict[str, Any] = answer.json()["data"]
        for reply in data.values():
            if reply.get("retryable") and reply["__typename"] in {"BackendUnavailable", "QueueFull"}:
                raise Refused(reply["message"])
        return data

    def _url(self) -> str:
        return self._chance.choice(self._urls)
