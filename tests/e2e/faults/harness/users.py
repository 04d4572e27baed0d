"""Users of a system with faults: they retry requests until they succeed, and resume subscriptions that break."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any, Self

import httpx
import websockets

from tests.e2e.live_updates.transports import TRANSPORTS, BackendUnavailableError

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

    from tests.e2e.faults.harness.expected_jobs import ExpectedJobs, JobRequest

SUBMIT = """mutation ($input: GeneratePrimesInput!) { generatePrimes(input: $input) {
    __typename ... on GeneratePrimesAccepted { job { id } } ... on UserError { message retryable }
} }"""
CANCEL = """mutation ($id: ID!) { cancelJob(id: $id) {
    __typename ... on UserError { message retryable } ... on JobAlreadyFinished { job { status } }
} }"""

# Longer than the API's own timeouts towards the store.
REQUEST_TIMEOUT_SECONDS = 5
RETRY_PAUSE_SECONDS = 0.1
RETRY_TIMEOUT_SECONDS = 60

# Raised by a stream whose API process was killed.
CONNECTION_ERRORS = (BackendUnavailableError, httpx.TransportError, websockets.WebSocketException, OSError, EOFError)
STREAMS = ("websocket", "event stream", "multipart")


class RefusedError(Exception):
    """Nothing was acknowledged, and the same request may succeed later."""


async def execute(client: httpx.AsyncClient, query: str, **variables: Any) -> dict[str, Any]:
    """Execute an operation that must succeed. Returns its data."""
    response = (await client.post("/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in response, response
    data: dict[str, Any] = response["data"]
    return data


class User:
    """Sends requests to random APIs, and retries with another one. Records jobs and states in `expected_jobs`."""

    def __init__(self, urls: Sequence[str], expected_jobs: ExpectedJobs, rng: random.Random) -> None:
        self._urls = urls
        self._expected_jobs = expected_jobs
        self._rng = rng
        self._client = httpx.AsyncClient(timeout=REQUEST_TIMEOUT_SECONDS)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def submit(self, request: JobRequest) -> str:
        """Submit with one idempotency key until a job is acknowledged. Returns its id."""
        key = uuid.UUID(int=self._rng.getrandbits(128)).hex
        by_rest = request.start == 2 and self._rng.random() < 0.5
        job_id = str(await self._retry(self._by_rest if by_rest else self._by_graphql, request, key))
        self._expected_jobs.add(job_id, request)
        return job_id

    async def cancel(self, job_id: str) -> None:
        """Cancel the job unless it is final. Until a response arrives, either status is allowed."""
        request = self._expected_jobs.requests[job_id]
        request.allowed_statuses |= {"CANCELLED"}
        outcome = await self._retry(self._cancel, job_id)
        request.allowed_statuses = frozenset({outcome})

    async def follow(self, job_id: str, transport: str | None = None) -> None:
        """Follow a job to its final state, on the given or on random transports, resuming after the last version."""
        received = self._expected_jobs.add_subscriber(job_id)
        async with asyncio.timeout(RETRY_TIMEOUT_SECONDS):
            while not (received and received[-1]["isFinal"]):
                stream = TRANSPORTS[transport or self._rng.choice(STREAMS)]
                try:
                    async for state in stream(self._url(), job_id, received[-1]["version"] if received else None):
                        received.append(state)
                except CONNECTION_ERRORS:
                    await asyncio.sleep(RETRY_PAUSE_SECONDS)
                except AssertionError as error:
                    # Raised by a transport whose stream a graceful shutdown ended early.
                    if "complete" not in str(error):
                        raise

    async def _retry(self, operation: Any, *arguments: Any) -> Any:
        async with asyncio.timeout(RETRY_TIMEOUT_SECONDS):
            while True:
                try:
                    return await operation(*arguments)
                except (RefusedError, httpx.TransportError):
                    await asyncio.sleep(RETRY_PAUSE_SECONDS)

    async def _by_rest(self, request: JobRequest, key: str) -> str:
        url = f"{self._url()}/generate?n={request.count}"
        response = await self._client.post(url, headers={"Idempotency-Key": key})
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise RefusedError(response.text)
        assert response.status_code == httpx.codes.OK, response.text
        return str(response.json()["request_id"])

    async def _by_graphql(self, request: JobRequest, key: str) -> str:
        arguments = {"count": request.count, "start": request.start, "idempotencyKey": key}
        reply = (await self._post(SUBMIT, input=arguments))["generatePrimes"]
        assert reply["__typename"] == "GeneratePrimesAccepted", reply
        return str(reply["job"]["id"])

    async def _cancel(self, job_id: str) -> str:
        reply = (await self._post(CANCEL, id=job_id))["cancelJob"]
        if reply["__typename"] == "JobAlreadyFinished":
            return str(reply["job"]["status"])
        assert reply["__typename"] == "CancelJobAccepted", reply
        return "CANCELLED"

    async def _post(self, query: str, **variables: Any) -> dict[str, Any]:
        response = await self._client.post(f"{self._url()}/graphql", json={"query": query, "variables": variables})
        if response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
            raise RefusedError(response.text)
        assert "errors" not in response.json(), response.text
        data: dict[str, Any] = response.json()["data"]
        for reply in data.values():
            if reply.get("retryable") and reply["__typename"] in {"BackendUnavailable", "QueueFull"}:
                raise RefusedError(reply["message"])
        return data

    def _url(self) -> str:
        return self._rng.choice(self._urls)
