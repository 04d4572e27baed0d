"""Isolation of callers: on every endpoint, jobs of other callers look like unknown jobs."""

from __future__ import annotations

import json
import re
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from tests.authenticated import connected_websocket, receive

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from tests.authenticated import AuthenticatedSystem

UNKNOWN = "01945b7e-1c2d-7abc-8def-0123456789ab"
SSE = "text/event-stream"
MULTIPART = "multipart/mixed;subscriptionSpec=1.0"
SUBMIT = """mutation ($n: Int!) {
  generatePrimes(input: {count: $n}, waitMs: 10000) { ... on GeneratePrimesAccepted { job { id } } }
}"""

# Headers that vary between equal responses.
VARYING_HEADERS = {"date", "content-length"}

QUERIES = {
    "job": "query ($id: ID!) { job(id: $id) { id status } }",
    "job with a wait": "query ($id: ID!) { job(id: $id, waitMs: 100) { id status } }",
    "node": "query ($id: ID!) { node(id: $id) { id __typename } }",
    "nodes": "query ($id: ID!) { nodes(ids: [$id]) { id } }",
    "cancel": "mutation ($id: ID!) { cancelJob(id: $id) { __typename ... on UserError { code message retryable } } }",
    "retry": "mutation ($id: ID!) { retryJob(id: $id) { __typename ... on UserError { code message retryable } } }",
}
SUBSCRIPTIONS = {
    "updates": "subscription ($id: ID!) { jobUpdates(id: $id) { __typename ... on UserError { code message } } }",
    "updates after": (
        "subscription ($id: ID!) { jobUpdates(id: $id, afterVersion: 1) { __typename ... on UserError { message } } }"
    ),
    "completed": "subscription ($id: ID!) { jobCompleted(id: $id) { __typename ... on UserError { code message } } }",
    "primes": "subscription ($id: ID!) { primeStream(id: $id) { __typename ... on UserError { code message } } }",
}
PATHS = [
    ("GET", "/status/{id}"),
    ("GET", "/jobs/{id}/primes.csv"),
    ("GET", "/jobs/{id}/primes.parquet"),
    ("GET", "/jobs/{id}/primes.ndjson"),
    ("HEAD", "/status/{id}"),
    ("HEAD", "/jobs/{id}/primes.csv"),
]
HEADERS: list[dict[str, str]] = [{}, {"If-None-Match": "*"}, {"Prefer": "wait=1"}, {"Range": "bytes=0-9"}]


def submitted(authenticated: AuthenticatedSystem, key: str, count: int = 10) -> str:
    with authenticated.client(key) as client:
        answer = client.post("/graphql", json={"query": SUBMIT, "variables": {"n": count}}).json()
    job_id: str = answer["data"]["generatePrimes"]["job"]["id"]
    return job_id


@pytest.fixture(scope="module")
def alices_job(authenticated: AuthenticatedSystem) -> str:
    """A job that has succeeded."""
    return submitted(authenticated, authenticated.alice)


@pytest.fixture(scope="module")
def open_job(authenticated: AuthenticatedSystem) -> str:
    """A job that runs for a while: too large for the queue of small jobs."""
    return submitted(authenticated, authenticated.alice, 3_000_000)


def comparable(answer: httpx.Response, job_id: str) -> tuple[int, dict[str, str], str]:
    """The response without the job id and the headers that vary."""
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING_HEADERS}
    return answer.status_code, headers, answer.text.replace(job_id, "ID")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_query_for_a_job_of_another_caller_equals_one_for_an_unknown_job(
    authenticated: AuthenticatedSystem, alices_job: str, open_job: str, query: str
) -> None:
    with authenticated.client(authenticated.bob) as bob:
        received = [
            comparable(bob.post("/graphql", json={"query": query, "variables": {"id": job_id}}), job_id)
            for job_id in (UNKNOWN, alices_job, open_job)
        ]
    assert received[1] == received[0]
    assert received[2] == received[0]
    with authenticated.client(authenticated.alice) as alice:
        mine = alice.post("/graphql", json={"query": QUERIES["job"], "variables": {"id": alices_job}}).json()
    assert mine == {"data": {"job": {"id": alices_job, "status": "SUCCEEDED"}}}


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
@pytest.mark.parametrize("query", SUBSCRIPTIONS.values(), ids=SUBSCRIPTIONS)
def test_stream_of_a_job_of_another_caller_equals_one_of_an_unknown_job(
    authenticated: AuthenticatedSystem, alices_job: str, query: str, accept: str
) -> None:
    with authenticated.client(authenticated.bob) as bob:
        received = []
        for job_id in (UNKNOWN, alices_job):
            body = {"query": query, "variables": {"id": job_id}}
            answer = bob.post("/graphql", json=body, headers={"Accept": accept})
            status, headers, text = comparable(answer, job_id)
            # A heartbeat may come first.
            received.append((status, headers, re.sub(r"Content-Length: \d+", "", text)))
    assert "JobNotFound" in received[0][2]
    assert received[1] == received[0]


@pytest.mark.parametrize("query", [*QUERIES.values(), *SUBSCRIPTIONS.values()], ids=[*QUERIES, *SUBSCRIPTIONS])
async def test_websocket_hides_jobs_of_other_callers(
    authenticated: AuthenticatedSystem, alices_job: str, query: str
) -> None:
    async with connected_websocket(authenticated, {"Authorization": f"Bearer {authenticated.bob}"}) as socket:
        assert await receive(socket) == {"type": "connection_ack"}
        received = []
        for job_id in (UNKNOWN, alices_job):
            payload = {"query": query, "variables": {"id": job_id}}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            messages = [await receive(socket)]
            while messages[-1]["type"] not in {"complete", "error"}:
                messages.append(await receive(socket))
            received.append(json.dumps(messages).replace(job_id, "ID"))
    assert received[1] == received[0]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize("endpoint", PATHS, ids=" ".join)
def test_rest_endpoints_hide_jobs_of_other_callers(
    authenticated: AuthenticatedSystem,
    alices_job: str,
    open_job: str,
    endpoint: tuple[str, str],
    headers: dict[str, str],
) -> None:
    method, path = endpoint
    with authenticated.client(authenticated.bob) as bob:
        received = [
            comparable(bob.request(method, path.format(id=job_id), headers=headers), job_id)
            for job_id in (UNKNOWN, alices_job, open_job)
        ]
    assert received[0][0] == 404
    assert received[1] == received[0]
    assert received[2] == received[0]
    with authenticated.client(authenticated.alice) as alice:
        assert alice.request(method, path.format(id=alices_job)).status_code == 200


def test_lists_and_counts_include_only_jobs_of_the_caller(authenticated: AuthenticatedSystem, alices_job: str) -> None:
    mine = submitted(authenticated, authenticated.bob)
    query = "{ jobs(first: 100) { totalCount edges { node { id } } pageInfo { hasNextPage hasPreviousPage } } }"
    with authenticated.client(authenticated.bob) as bob, authenticated.client(authenticated.alice) as alice:
        bobs = bob.post("/graphql", json={"query": query}).json()["data"]["jobs"]
        theirs = alice.post("/graphql", json={"query": query}).json()["data"]["jobs"]
    listed = [edge["node"]["id"] for edge in bobs["edges"]]
    assert mine in listed
    assert bobs["totalCount"] == len(listed)
    assert alices_job in [edge["node"]["id"] for edge in theirs["edges"]]
    assert not set(listed) & {edge["node"]["id"] for edge in theirs["edges"]}


def test_idempotency_keys_are_separate_for_each_caller(authenticated: AuthenticatedSystem) -> None:
    headers = {"Idempotency-Key": "both-have-it"}
    with authenticated.client(authenticated.bob) as bob, authenticated.client(authenticated.alice) as alice:
        first = [client.post("/generate?n=10", headers=headers) for client in (alice, bob)]
        again = [client.post("/generate?n=10", headers=headers) for client in (alice, bob)]
        conflict = bob.post("/generate?n=11", headers=headers)
    assert [answer.json() for answer in first] == [answer.json() for answer in again]
    assert first[0].json() != first[1].json()
    assert conflict.json()["request_id"] == first[1].json()["request_id"]


def test_job_of_another_caller_takes_as_long_as_an_unknown_job(
    authenticated: AuthenticatedSystem, alices_job: str
) -> None:
    """Roughly: the medians of many alternating samples, as a ratio."""
    requests: list[Callable[[httpx.Client, str], httpx.Response]] = [
        lambda bob, job_id: bob.get(f"/status/{job_id}"),
        lambda bob, job_id: bob.post("/graphql", json={"query": QUERIES["job"], "variables": {"id": job_id}}),
        lambda bob, job_id: bob.post("/graphql", json={"query": QUERIES["cancel"], "variables": {"id": job_id}}),
    ]
    with authenticated.client(authenticated.bob) as bob:
        for request in requests:
            durations: dict[str, list[float]] = {UNKNOWN: [], alices_job: []}
            for _ in range(150):
                for job_id, seconds in durations.items():
                    started = time.perf_counter()
                    request(bob, job_id)
                    seconds.append(time.perf_counter() - started)
            ratio = statistics.median(durations[alices_job]) / statistics.median(durations[UNKNOWN])
            assert 0.5 < ratio < 2, ratio
