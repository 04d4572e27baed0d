"""HEAD middleware: the same status and headers as GET, without content, on every route."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import redis

from tests.clients import finished_job
from tests.waiting import wait_until

if TYPE_CHECKING:
    from tests.conftest import System

PATHS = [
    "/", "/docs", "/openapi.json", "/livez", "/static/style.css", "/static/nothing", "/docs/assets/nothing",
    "/graphql", "/graphql?query={__typename}", "/graphql?query={", "/generate", "/nothing", "/status/{id}",
    "/status/unknown", "/jobs/{id}/primes.csv", "/jobs/{id}/primes.parquet", "/jobs/{id}/primes.xlsx",
    "/jobs/unknown/primes.csv",
]  # fmt: skip

SUBSCRIPTION = "subscription { systemStats { at } }"


@pytest.fixture(scope="module")
def job_id(system: System) -> str:
    return finished_job(system, 10)


def headers(response: httpx.Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name not in {"date", "transfer-encoding"}}


@pytest.mark.parametrize(
    "sent", [{}, {"Accept-Encoding": "gzip"}, {"Accept": "text/html"}, {"If-Match": '"x"'}], ids=str
)
@pytest.mark.parametrize("path", PATHS)
def test_head_has_the_status_and_headers_of_get(system: System, job_id: str, path: str, sent: dict[str, str]) -> None:
    url = system.url + path.replace("{id}", job_id)
    get, head = httpx.get(url, headers=sent), httpx.head(url, headers=sent)
    assert (head.status_code, headers(head), head.content) == (get.status_code, headers(get), b"")


@pytest.mark.parametrize("accept", ["text/event-stream", "multipart/mixed;subscriptionSpec=1.0"])
def test_head_of_an_endless_stream_ends(system: System, accept: str, caplog: pytest.LogCaptureFixture) -> None:
    sent: dict[str, Any] = {"params": {"query": SUBSCRIPTION}, "headers": {"Accept": accept}}
    with httpx.Client() as client:
        for _ in range(3):
            head = client.head(system.graphql, timeout=5, **sent)
            assert (head.status_code, head.content) == (200, b"")
        with client.stream("GET", system.graphql, timeout=5, **sent) as get:
            assert headers(head) == headers(get)
    assert "Traceback" not in caplog.text


def test_head_executes_no_operation_that_get_does_not(system: System) -> None:
    mutation = {"query": "mutation { generatePrimes(input: {count: 3}) { __typename } }"}
    with redis.Redis.from_url(system.valkey.url) as store:
        before = store.dbsize()
        response = httpx.head(system.graphql, params=mutation)
        assert (response.status_code, response.headers["allow"]) == (405, "POST")
        wait_until(lambda: store.dbsize() == before)
