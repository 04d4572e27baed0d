"""Authentication on all endpoints: credentials are required and checked, and limits of the caller apply."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import websockets

from tasks.settings import JobSettings
from tests import in_process
from tests.authenticated import bearer_header, connected_websocket, create_key, receive

if TYPE_CHECKING:
    from tests.authenticated import AuthenticatedSystem
    from tests.conftest import System
    from tests.programs import Valkey

UNKNOWN = "01945b7e-1c2d-7abc-8def-0123456789ab"
SSE = "text/event-stream"


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
    async with connected_websocket(authenticated, payload) as socket:
        with pytest.raises(websockets.ConnectionClosedError):
            await receive(socket)
        assert socket.close_code == 4403


@pytest.mark.parametrize("source", ["Authorization", "authorization", "token", "header"])
async def test_websocket_authenticates_by_payload_or_header(authenticated: AuthenticatedSystem, source: str) -> None:
    value = authenticated.alice if source == "token" else f"Bearer {authenticated.alice}"
    headers = bearer_header(authenticated.alice) if source == "header" else {}
    async with connected_websocket(authenticated, {} if source == "header" else {source: value}, headers) as socket:
        assert await receive(socket) == {"type": "connection_ack"}


def test_logs_contain_no_secret(authenticated: AuthenticatedSystem, caplog: pytest.LogCaptureFixture) -> None:
    with authenticated.client(authenticated.alice) as alice, authenticated.client(authenticated.bob) as bob:
        job_id = alice.post("/generate?n=10").json()["request_id"]
        assert alice.get(f"/status/{job_id}", headers={"Prefer": "wait=10"}).json()["status"] == "complete"
        assert bob.get(f"/status/{job_id}").status_code == 404
    assert f"/status/{job_id}" in caplog.text
    for output in (caplog.text, authenticated.system.worker.output()):
        for key in (authenticated.alice, authenticated.bob):
            assert key.split("_", 2)[2] not in output


# Limits of a caller

LIMITED = "__typename ... on RateLimited { code retryable retryAfterMs message }"


def test_rate_limit_applies_to_graphql_and_rest(valkey: Valkey, prefix: str) -> None:
    settings = JobSettings(redis_url=valkey.url, key_prefix=prefix)
    low: dict[str, Any] = {"AUTHENTICATION": "keys", "MAX_SUBMISSIONS_PER_MINUTE": "4", "MAX_OPEN_JOBS_PER_CALLER": "2"}
    key = create_key(settings, "alice")
    with in_process.api(valkey.url, prefix, **low) as url:
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


@pytest.mark.parametrize(
    ("form", "is_valid"),
    [
        ("Bearer %s", True),
        ("bEARER   %s", True),
        ("Bearer%s", False),
        ("Bearer=%s", False),
        ("Bearer %s x", False),
        ("Bearer %s, Bearer %s", False),
        ("Basic %s", False),
        ("%s", False),
    ],
)
def test_a_key_needs_its_scheme_and_nothing_else(authenticated: AuthenticatedSystem, form: str, is_valid: bool) -> None:
    url, key = f"{authenticated.system.url}/status/{UNKNOWN}", authenticated.alice
    answer = httpx.get(url, headers={"Authorization": form.replace("%s", key)})
    assert answer.status_code == (404 if is_valid else 401)


def test_several_authorizations_are_none(authenticated: AuthenticatedSystem) -> None:
    valid = ("Authorization", f"Bearer {authenticated.alice}")
    for other in (valid, ("Authorization", "Bearer x")):
        answer = httpx.get(f"{authenticated.system.url}/status/{UNKNOWN}", headers=[valid, other])
        assert answer.status_code == 401
