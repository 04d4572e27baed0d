"""Two callers with a key each: nobody comes in without one, and each door answers for another's job as for none."""

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

# What tells an answer's moment or its trace, and nothing of the job.
VARYING = {"date", "content-length"}

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
def alices(authenticated: AuthenticatedSystem) -> str:
    """A job that has succeeded."""
    return submitted(authenticated, authenticated.alice)


@pytest.fixture(scope="module")
def open_job(authenticated: AuthenticatedSystem) -> str:
    """One that takes a while: too large for a small queue, and cancelled by nobody but its owner."""
    return submitted(authenticated, authenticated.alice, 3_000_000)


def as_told(answer: httpx.Response, job_id: str) -> tuple[int, dict[str, str], str]:
    """All of an answer but the id itself and the time of day."""
    headers = {name: value for name, value in answer.headers.items() if name not in VARYING}
    return answer.status_code, headers, answer.text.replace(job_id, "ID")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
def test_a_query_for_another_s_job_is_that_for_none(
    authenticated: AuthenticatedSystem, alices: str, open_job: str, query: str
) -> None:
    with authenticated.client(authenticated.bob) as bob:
        received = [
            as_told(bob.post("/graphql", json={"query": query, "variables": {"id": job_id}}), job_id)
            for job_id in (UNKNOWN, alices, open_job)
        ]
    assert received[1] == received[0]
    assert received[2] == received[0]
    with authenticated.client(authenticated.alice) as alice:
        mine = alice.post("/graphql", json={"query": QUERIES["job"], "variables": {"id": alices}}).json()
    assert mine == {"data": {"job": {"id": alices, "status": "SUCCEEDED"}}}


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
@pytest.mark.parametrize("query", SUBSCRIPTIONS.values(), ids=SUBSCRIPTIONS)
def test_a_stream_of_another_s_job_is_that_of_none(
    authenticated: AuthenticatedSystem, alices: str, query: str, accept: str
) -> None:
    with authenticated.client(authenticated.bob) as bob:
        received = []
        for job_id in (UNKNOWN, alices):
            body = {"query": query, "variables": {"id": job_id}}
            answer = bob.post("/graphql", json=body, headers={"Accept": accept})
            status, headers, text = as_told(answer, job_id)
            # A sign of life may or may not come first.
            received.append((status, headers, re.sub(r"Content-Length: \d+", "", text)))
    assert "JobNotFound" in received[0][2]
    assert received[1] == received[0]


@pytest.mark.parametrize("query", [*QUERIES.values(), *SUBSCRIPTIONS.values()], ids=[*QUERIES, *SUBSCRIPTIONS])
async def test_so_it_is_on_a_websocket(authenticated: AuthenticatedSystem, alices: str, query: str) -> None:
    async with connected(authenticated, {"Authorization": f"Bearer {authenticated.bob}"}) as socket:
        assert await said(socket) == {"type": "connection_ack"}
        received = []
        for job_id in (UNKNOWN, alices):
            payload = {"query": query, "variables": {"id": job_id}}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            messages = [await said(socket)]
            while messages[-1]["type"] not in {"complete", "error"}:
                messages.append(await said(socket))
            received.append(json.dumps(messages).replace(job_id, "ID"))
    assert received[1] == received[0]


@pytest.mark.parametrize("headers", HEADERS, ids=str)
@pytest.mark.parametrize("door", PATHS, ids=" ".join)
def test_so_it_is_at_the_rest_doors(
    authenticated: AuthenticatedSystem, alices: str, open_job: str, door: tuple[str, str], headers: dict[str, str]
) -> None:
    method, path = door
    with authenticated.client(authenticated.bob) as bob:
        received = [
            as_told(bob.request(method, path.format(id=job_id), headers=headers), job_id)
            for job_id in (UNKNOWN, alices, open_job)
        ]
    assert received[0][0] == 404
    assert received[1] == received[0]
    assert received[2] == received[0]
    with authenticated.client(authenticated.alice) as alice:
        assert alice.request(method, path.format(id=alices)).status_code == 200


def test_lists_and_their_counts_have_the_caller_s_own_jobs_alone(
    authenticated: AuthenticatedSystem, alices: str
) -> None:
    mine = submitted(authenticated, authenticated.bob)
    query = "{ jobs(first: 100) { totalCount edges { node { id } } pageInfo { hasNextPage hasPreviousPage } } }"
    with authenticated.client(authenticated.bob) as bob, authenticated.client(authenticated.alice) as alice:
        bobs = bob.post("/graphql", json={"query": query}).json()["data"]["jobs"]
        theirs = alice.post("/graphql", json={"query": query}).json()["data"]["jobs"]
    listed = [edge["node"]["id"] for edge in bobs["edges"]]
    assert mine in listed
    assert bobs["totalCount"] == len(listed)
    assert alices in [edge["node"]["id"] for edge in theirs["edges"]]
    assert not set(listed) & {edge["node"]["id"] for edge in theirs["edges"]}


def test_the_same_idempotency_key_makes_each_caller_a_job(authenticated: AuthenticatedSystem) -> None:
    headers = {"Idempotency-Key": "both-have-it"}
    with authenticated.client(authenticated.bob) as bob, authenticated.client(authenticated.alice) as alice:
        first = [client.post("/generate?n=10", headers=headers) for client in (alice, bob)]
        again = [client.post("/generate?n=10", headers=headers) for client in (alice, bob)]
        conflict = bob.post("/generate?n=11", headers=headers)
    assert [answer.json() for answer in first] == [answer.json() for answer in again]
    assert first[0].json() != first[1].json()
    assert conflict.json()["request_id"] == first[1].json()["request_id"]


def test_another_s_job_takes_as_long_as_none(authenticated: AuthenticatedSystem, alices: str) -> None:
    """Roughly: the medians of many alternating samples, as a ratio."""
    doors: list[Callable[[httpx.Client, str], httpx.Response]] = [
        lambda bob, job_id: bob.get(f"/status/{job_id}"),
        lambda bob, job_id: bob.post("/graphql", json={"query": QUERIES["job"], "variables": {"id": job_id}}),
        lambda bob, job_id: bob.post("/graphql", json={"query": QUERIES["cancel"], "variables": {"id": job_id}}),
    ]
    with authenticated.client(authenticated.bob) as bob:
        for door in doors:
            took: dict[str, list[float]] = {UNKNOWN: [], alices: []}
            for _ in range(150):
                for job_id, seconds in took.items():
                    began = time.perf_counter()
                    door(bob, job_id)
                    seconds.append(time.perf_counter() - began)
            ratio = statistics.median(took[alices]) / statistics.median(took[UNKNOWN])
            assert 0.5 < ratio < 2, ratio


# Without a key


@pytest.mark.parametrize("shown", [None, "Bearer", "Bearer x", "Basic eDp5", f"Bearer primes_{'0' * 16}_{'A' * 43}"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/generate?n=1"),
        ("GET", f"/status/{UNKNOWN}"),
        ("GET", f"/jobs/{UNKNOWN}/primes.csv"),
        ("GET", "/x"),
    ],
)
def test_the_rest_doors_are_401_problems(
    authenticated: AuthenticatedSystem, method: str, path: str, shown: str | None
) -> None:
    headers = {} if shown is None else {"Authorization": shown}
    answer = httpx.request(method, f"{authenticated.system.url}{path}", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="primes"')
    assert ("invalid_token" in answer.headers["www-authenticate"]) == (shown is not None)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["status"] == 401


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
def test_graphql_is_401_with_an_error_of_its_shape(
    authenticated: AuthenticatedSystem, accept: str, media_type: str, body: str
) -> None:
    headers = {"Accept": accept, "Content-Type": "application/json"}
    answer = httpx.post(authenticated.system.graphql, content=body, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == media_type
    assert answer.headers["www-authenticate"] == 'Bearer realm="primes"'
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": "UNAUTHENTICATED"}


def test_a_subscription_by_get_needs_a_key_too(authenticated: AuthenticatedSystem) -> None:
    parameters = {"query": "subscription { systemStats { at } }"}
    assert httpx.get(authenticated.system.graphql, params=parameters, headers={"Accept": SSE}).status_code == 401


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/docs", "/openapi.json", "/graphql", "/static/style.css"])
def test_pages_and_probes_need_none(authenticated: AuthenticatedSystem, path: str) -> None:
    answer = httpx.get(f"{authenticated.system.url}{path}", headers={"Accept": "text/html"})
    assert answer.status_code == 200


def test_the_manual_asks_for_the_key(authenticated: AuthenticatedSystem, system: System) -> None:
    manual, open_one = (httpx.get(f"{one.url}/openapi.json").json() for one in (authenticated.system, system))
    assert manual["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    for path in ("/generate", "/status/{request_id}", "/jobs/{job_id}/primes.{form}"):
        assert [operation["security"] for operation in manual["paths"][path].values()] == [[{"HTTPBearer": []}]]
    assert "securitySchemes" not in open_one.get("components", {})
    assert "security" not in manual["paths"]["/livez"]["get"]


@pytest.mark.parametrize("payload", [None, {}, {"Authorization": 1}, {"Authorization": "Bearer x"}, {"token": "x"}])
async def test_a_websocket_is_closed_with_4403(authenticated: AuthenticatedSystem, payload: Any) -> None:
    async with connected(authenticated, payload) as socket:
        with pytest.raises(websockets.ConnectionClosedError):
            await said(socket)
        assert socket.close_code == 4403


@pytest.mark.parametrize("how", ["Authorization", "authorization", "token", "header"])
async def test_a_websocket_is_opened_with_a_key(authenticated: AuthenticatedSystem, how: str) -> None:
    value = authenticated.alice if how == "token" else f"Bearer {authenticated.alice}"
    headers = bearer_header(authenticated.alice) if how == "header" else {}
    async with connected(authenticated, {} if how == "header" else {how: value}, headers) as socket:
        assert await said(socket) == {"type": "connection_ack"}


def test_no_log_has_a_secret(authenticated: AuthenticatedSystem, alices: str) -> None:
    with authenticated.client(authenticated.bob) as bob:
        bob.get(f"/status/{alices}")
    for program in (authenticated.system.api, authenticated.system.worker):
        for key in (authenticated.alice, authenticated.bob):
            assert key.split("_", 2)[2] not in program.output()


# A caller's share

LIMITED = "__typename ... on RateLimited { code retryable retryAfterMs message }"


def test_a_share_that_is_used_up_is_told_at_each_door(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    settings = JobSettings(redis_url=valkey.url, key_prefix=prefix)
    low: dict[str, Any] = {"AUTHENTICATION": "keys", "MAX_SUBMISSIONS_PER_MINUTE": "4", "MAX_OPEN_JOBS_PER_CALLER": "2"}
    key = create_key(settings, "alice")
    with programs.api(tmp_path, valkey.url, prefix, **low) as (url, _):
        with httpx.Client(base_url=url, headers=bearer_header(key), timeout=20) as alice:

            def does(mutation: str) -> Any:
                return alice.post("/graphql", json={"query": f"mutation {{ answer: {mutation} }}"}).json()["data"][
                    "answer"
                ]

            ids = [alice.post("/generate?n=10").json()["request_id"] for _ in range(2)]
            # Too many are open; there is room for one once one has ended.
            refused = does(f"generatePrimes(input: {{count: 10}}) {{ {LIMITED} }}")
            assert (refused["__typename"], refused["code"], refused["retryable"]) == (
                "RateLimited",
                "RATE_LIMITED",
                True,
            )
            assert "2 jobs" in refused["message"]
            does(f'cancelJob(id: "{ids[0]}") {{ __typename }}')
            assert does(f'retryJob(id: "{ids[0]}") {{ {LIMITED} }}')["__typename"] == "RetryJobAccepted"
            # And now it was too often.
            refused = does(f'retryJob(id: "{ids[0]}") {{ {LIMITED} }}')
            assert "4 submissions a minute" in refused["message"]
            assert 1_000 <= refused["retryAfterMs"] <= 60_000
            answer = alice.post("/generate?n=10")
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert answer.json()["detail"] == refused["message"]
        # Others have shares of their own.
        assert httpx.post(f"{url}/generate?n=10", headers=bearer_header(create_key(settings, "bob"))).status_code == 200


@asynccontextmanager
async def connected(
    authenticated: AuthenticatedSystem, payload: Any, headers: dict[str, str] | None = None
) -> AsyncIterator[websockets.ClientConnection]:
    """A socket on which the first message was sent."""
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    async with websockets.connect(
        authenticated.system.websocket, subprotocols=protocols, additional_headers=headers
    ) as socket:
        await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
        yield socket


async def said(socket: websockets.ClientConnection) -> Any:
    return json.loads(await asyncio.wait_for(socket.recv(), 10))
