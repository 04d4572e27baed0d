"""Authentication on all endpoints: credentials are required, and jobs of other callers look like unknown jobs."""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from tasks.settings import JobSettings
from tests import programs
from tests.authenticated import bearer_header, create_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.authenticated import AuthenticatedSystem
    from tests.conftest import System
    from tests.programs import Valkey

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
    async with connected(authenticated, {"Authorization": f"Bearer {authenticated.bob}"}) as socket:
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


# Without credentials


@pytest.mark.parametrize(
    "authorization", [None, "Bearer", "Bearer x", "Basic eDp5", f"Bearer primes_{'0' * 16}_{'A' * 43}"]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/generate?n=1"),
        ("GET", f"/status/{UNKNOWN}"),
        ("GET", f"/jobs/{UNKNOWN}/primes.csv"),
        ("GET", "/x"),
    ],
)
def test_rest_endpoints_respond_with_a_401_problem(
    authenticated: AuthenticatedSystem, method: str, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = httpx.request(method, f"{authenticated.system.url}{path}", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="primes"')
    assert ("invalid_token" in answer.headers["www-authenticate"]) == (authorization is not None)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["status"] == 401
    assert answer.json()["detail"] == (
        "Missing credentials. Send an API key or token as `Authorization: Bearer ...`."
        if authorization is None
        else "Invalid or expired API key or token."
    )


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("application/json", "application/json"),
        ("application/graphql-response+json", "application/graphql-response+json"),
        (SSE, "application/json"),
    ],
)
@pytest.mark.parametrize(
    "body", ['{"query": "{ __typename }"}', "nonsense", '{"query": "subscription { systemStats { at } }"}']
)
def test_graphql_responds_with_401_and_a_graphql_error(
    authenticated: AuthenticatedSystem, accept: str, media_type: str, body: str
) -> None:
    headers = {"Accept": accept, "Content-Type": "application/json"}
    answer = httpx.post(authenticated.system.graphql, content=body, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == media_type
    assert answer.headers["www-authenticate"] == 'Bearer realm="primes"'
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}


def test_subscription_by_get_requires_credentials(authenticated: AuthenticatedSystem) -> None:
    parameters = {"query": "subscription { systemStats { at } }"}
    assert httpx.get(authenticated.system.graphql, params=parameters, headers={"Accept": SSE}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/docs", "/openapi.json", "/graphql", "/static/style.css"])
def test_pages_and_probes_are_public(authenticated: AuthenticatedSystem, path: str) -> None:
    answer = httpx.get(f"{authenticated.system.url}{path}", headers={"Accept": "text/html"})
    assert answer.status_code == 200


def test_openapi_document_describes_the_credentials(authenticated: AuthenticatedSystem, system: System) -> None:
    manual, open_one = (httpx.get(f"{one.url}/openapi.json").json() for one in (authenticated.system, system))
    assert manual["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path in ("/generate", "/status/{request_id}", "/jobs/{job_id}/primes.{form}"):
        assert [operation["security"] for operation in manual["paths"][path].values()] == [[{"HTTPBearer": []}]]
    assert "securitySchemes" not in open_one.get("components", {})
    assert "security" not in manual["paths"]["/livez"]["get"]


@pytest.mark.parametrize("payload", [None, {}, {"Authorization": 1}, {"Authorization": "Bearer x"}, {"token": "x"}])
async def test_websocket_without_valid_credentials_is_closed_with_4403(
    authenticated: AuthenticatedSystem, payload: Any
) -> None:
    async with connected(authenticated, payload) as socket:
        with pytest.raises(websockets.ConnectionClosedError):
            await receive(socket)
        assert socket.close_code == 4403


@pytest.mark.parametrize("source", ["Authorization", "authorization", "token", "header"])
async def test_websocket_authenticates_by_payload_or_header(authenticated: AuthenticatedSystem, source: str) -> None:
    value = authenticated.alice if source == "token" else f"Bearer {authenticated.alice}"
    headers = bearer_header(authenticated.alice) if source == "header" else {}
    async with connected(authenticated, {} if source == "header" else {source: value}, headers) as socket:
        assert await receive(socket) == {"type": "connection_ack"}


def test_logs_contain_no_secret(authenticated: AuthenticatedSystem, alices_job: str) -> None:
    with authenticated.client(authenticated.bob) as bob:
        bob.get(f"/status/{alices_job}")
    for program in (authenticated.system.api, authenticated.system.worker):
        for key in (authenticated.alice, authenticated.bob):
            assert key.split("_", 2)[2] not in program.output()


# Limits of a caller

LIMITED = "__typename ... on RateLimited { code retryable retryAfterMs message }"


def test_rate_limit_applies_to_graphql_and_rest(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    settings = JobSettings(redis_url=valkey.url, key_prefix=prefix)
    low: dict[str, Any] = {"AUTHENTICATION": "keys", "MAX_SUBMISSIONS_PER_MINUTE": "4", "MAX_OPEN_JOBS_PER_CALLER": "2"}
    key = create_key(settings, "alice")
    with programs.api(tmp_path, valkey.url, prefix, **low) as (url, _):
        with httpx.Client(base_url=url, headers=bearer_header(key), timeout=20) as alice:

            def mutate(mutation: str) -> Any:
                return alice.post("/graphql", json={"query": f"mutation {{ answer: {mutation} }}"}).json()["data"][
                    "answer"
                ]

            ids = [alice.post("/generate?n=10").json()["request_id"] for _ in range(2)]
            # The limit of open jobs is reached until one has ended.
            refused = mutate(f"generatePrimes(input: {{count: 10}}) {{ {LIMITED} }}")
            assert (refused["__typename"], refused["code"], refused["retryable"]) == (
                "RateLimited",
                "RATE_LIMITED",
                True,
            )
            assert "2 jobs" in refused["message"]
            mutate(f'cancelJob(id: "{ids[0]}") {{ __typename }}')
            assert mutate(f'retryJob(id: "{ids[0]}") {{ {LIMITED} }}')["__typename"] == "RetryJobAccepted"
            # The limit of submissions is reached.
            refused = mutate(f'retryJob(id: "{ids[0]}") {{ {LIMITED} }}')
            assert "at most 4 submissions per minute" in refused["message"]
            assert 1_000 <= refused["retryAfterMs"] <= 60_000
            answer = alice.post("/generate?n=10")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.json()["detail"] == refused["message"]
        # Other callers have their own limits.
        assert httpx.post(f"{url}/generate?n=10", headers=bearer_header(create_key(settings, "bob"))).status_code == 200


@asynccontextmanager
async def connected(
    authenticated: AuthenticatedSystem, payload: Any, headers: dict[str, str] | None = None
) -> AsyncIterator[websockets.ClientConnection]:
    """A WebSocket on which connection_init was sent."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(
        authenticated.system.websocket, subprotocols=protocols, additional_headers=headers
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        yield socket


async def receive(socket: websockets.ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))
