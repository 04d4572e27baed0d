"""CORS: pages of allowed origins, and of no others, can send requests and read responses with their headers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gql.app import create_app
from gql.middleware import cross_origin
from gql.settings import ApiSettings
from tasks.settings import JobSettings
from tests import in_process
from tests.authenticated import bearer_header, create_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System

ALLOWED = "https://allowed.example"
FOREIGN = [
    "https://evil.example",
    "https://allowed.example.evil.example",
    "http://allowed.example",
    "null",
    "https://allowed.example:444",
]
QUERY = {"query": "{ __typename }"}
PATHS = [
    "/graphql",
    "/generate",
    "/status/x",
    "/jobs/x/primes.csv",
    "/livez",
    "/docs",
    "/openapi.json",
    "/static/docs.js",
]

# Fetch standard: response headers that every page can read.
SAFELISTED = {"cache-control", "content-language", "content-length", "content-type", "expires", "last-modified"}
# With a meaning for browsers, proxies and caches only.
NOT_FOR_PAGES = {
    "access-control-allow-origin", "access-control-expose-headers", "connection", "content-encoding",
    "content-security-policy", "cross-origin-opener-policy", "cross-origin-resource-policy", "date", "referrer-policy",
    "transfer-encoding", "vary", "x-accel-buffering", "x-content-type-options", "x-frame-options",
}  # fmt: skip


@pytest.fixture(scope="module")
def url(system: System) -> Iterator[str]:
    """An API with keys and an allowed origin."""
    options = {
        "AUTHENTICATION": "keys",
        "RESULTS_URL": system.results_url,
        "ALLOWED_ORIGINS": f"{ALLOWED},http://b.example:1",
        "ALLOWED_HOSTS": "primes.example",
    }
    options |= {"MAX_SUBMISSIONS_PER_MINUTE": "20", "MAX_BODY_BYTES": "2000"}
    with in_process.api(system.valkey.url, system.prefix, **options) as url:
        yield url


@pytest.fixture(scope="module")
def key(system: System) -> dict[str, str]:
    return bearer_header(create_key(JobSettings(redis_url=system.valkey.url, key_prefix=system.prefix), "page"))


def preflight(url: str, origin: str, method: str = "POST", **headers: str) -> httpx.Response:
    """As a browser sends it before a request with these headers: without credentials."""
    names = ",".join(sorted(headers)) or "content-type"
    preflight = {"Origin": origin, "Access-Control-Request-Method": method, "Access-Control-Request-Headers": names}
    return httpx.options(url, headers=preflight)


@pytest.mark.parametrize("path", PATHS)
def test_preflight_needs_no_credentials(url: str, path: str) -> None:
    headers = {"authorization": "", "content-type": "", "idempotency-key": "", "apollographql-client-name": ""}
    answer = preflight(f"{url}{path}", ALLOWED, **headers)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == ALLOWED
    assert {"GET", "HEAD", "POST"} == set(answer.headers["access-control-allow-methods"].split(", "))
    assert headers.keys() <= set(answer.headers["access-control-allow-headers"].split(","))
    assert "access-control-allow-credentials" not in answer.headers


def test_preflight_from_a_public_page_to_a_private_network_is_answered(url: str) -> None:
    preflight = {
        "Origin": ALLOWED,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Private-Network": "true",
    }
    assert httpx.options(f"{url}/graphql", headers=preflight).headers["access-control-allow-private-network"] == "true"


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_origins_get_no_permission(url: str, key: dict[str, str], origin: str) -> None:
    for path in PATHS:
        assert "access-control-allow-origin" not in preflight(f"{url}{path}", origin).headers
        assert "access-control-allow-origin" not in httpx.get(f"{url}{path}", headers={**key, "Origin": origin}).headers
    answer = httpx.post(f"{url}/graphql", json=QUERY, headers={**key, "Origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_without_the_setting_there_is_no_permission(system: System) -> None:
    assert "access-control-allow-origin" not in preflight(system.graphql, ALLOWED).headers
    assert "access-control-allow-origin" not in httpx.get(f"{system.url}/livez", headers={"Origin": ALLOWED}).headers


def test_any_origin_can_be_allowed(system: System, prefix: str) -> None:
    with in_process.api(system.valkey.url, prefix, ALLOWED_ORIGINS="*") as url:
        assert preflight(f"{url}/graphql", "https://a.example").headers["access-control-allow-origin"] == "*"
        answer = httpx.post(f"{url}/graphql", json=QUERY, headers={"Origin": "null"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


def test_page_can_read_every_response_and_its_headers(url: str, key: dict[str, str]) -> None:
    exposed = {name.lower() for name in cross_origin.EXPOSED_HEADERS}
    seen: set[str] = set()
    statuses: set[int] = set()
    for answer in responses(url, key):
        what = f"{answer.request.method} {answer.request.url}: {answer.status_code}"
        assert answer.headers["access-control-allow-origin"] == ALLOWED, what
        assert "Origin" in answer.headers["vary"].split(", "), what
        assert set(answer.headers["access-control-expose-headers"].lower().split(", ")) == exposed, what
        assert set(answer.headers) - SAFELISTED - NOT_FOR_PAGES <= exposed, what
        statuses.add(answer.status_code)
        seen |= set(answer.headers)
    assert {200, 206, 304, 400, 401, 404, 405, 413, 415, 416, 421, 429} <= statuses
    assert exposed <= seen


def responses(url: str, key: dict[str, str]) -> Iterator[httpx.Response]:
    """Responses of all endpoints, and errors of all layers, as an allowed page gets them."""
    origin = {"Origin": ALLOWED}
    with httpx.Client(base_url=url, headers={**origin, **key}, timeout=40) as client:
        for path in (*PATHS, "/", "/readyz", "/missing"):
            yield client.get(path)
            yield client.head(path)
        for path in ("/graphql", "/generate?n=10", "/status/x"):
            yield httpx.post(f"{url}{path}", headers=origin)
            for host in ("other.example", "not a host"):
                yield client.post(path, headers={"Host": host})
        yield client.post("/graphql", json=QUERY)
        yield client.post("/graphql", json={"query": "{"})
        yield client.post("/graphql", content=b"{}")
        yield client.post("/graphql", content=b" " * 3_000)
        yield client.get("/graphql", params=QUERY)
        yield client.delete("/graphql")
        yield client.post("/generate?n=x")
        job = client.post("/generate?n=1000")
        yield job
        status = client.get(job.headers["location"], headers={"Prefer": "wait=30"})
        yield status
        yield client.get(job.headers["location"], headers={"If-None-Match": status.headers["etag"]})
        file = f"/jobs/{job.json()['request_id']}/primes.csv"
        yield client.get(file)
        yield client.get(file, headers={"Range": "bytes=0-9"})
        yield client.get(file, headers={"Range": "bytes=9999999-"})
        subscription = {"query": f'subscription {{ jobUpdates(id: "{job.json()["request_id"]}") {{ __typename }} }}'}
        for accept in ("text/event-stream", "multipart/mixed;subscriptionSpec=1.0"):
            yield client.post("/graphql", json=subscription, headers={"Accept": accept})
        for _ in range(20):
            refused = client.post("/generate?n=1")
        yield refused


@pytest.mark.parametrize(
    "failing",
    [
        "tasks.service.JobSystem.get_server_info",
        "gql.middleware.same_origin.SameOriginMiddleware.__call__",
        "gql.middleware.trusted_host.TrustedHostMiddleware.__call__",
    ],
)
def test_unexpected_error_can_be_read(
    url: str, key: dict[str, str], monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("unexpected")

    monkeypatch.setattr(failing, fail)
    answer = httpx.get(f"{url}/readyz", headers={"Origin": ALLOWED, **key})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (500, ALLOWED)
    assert answer.headers["content-type"] == "application/problem+json"


def test_preflight_for_another_host_is_answered_so_that_the_page_can_read_why_its_request_is_refused(url: str) -> None:
    headers = {"Host": "other.example", "Origin": ALLOWED, "Access-Control-Request-Method": "POST"}
    answer = httpx.options(f"{url}/graphql", headers=headers)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ALLOWED)


async def test_refusal_on_an_address_that_other_machines_can_reach_can_be_read(settings: JobSettings) -> None:
    app = create_app(ApiSettings(allowed_origins=ALLOWED), settings)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), headers={"Origin": ALLOWED}) as client:
        answer = await client.post("http://10.0.0.1:8000/graphql", json=QUERY)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (403, ALLOWED)
