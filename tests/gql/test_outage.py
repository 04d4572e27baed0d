"""A frozen job store: every endpoint returns an error in time, and works again after the outage."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from tests import in_process, programs
from tests.stopwatch import Stopwatch, own_threads
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Valkey

SUBMIT = "mutation { generatePrimes(input: {count: 10}) { __typename ... on UserError { code retryable message } } }"

MAX_RESPONSE_SECONDS = 2.5


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[tuple[str, Valkey]]:
    with programs.valkey(tmp_path) as server, in_process.api(server.url, "outage:") as url:
        assert submit(url) == "GeneratePrimesAccepted"
        server.freeze()
        yield url, server


def submit(url: str) -> str:
    response = httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=30).json()
    name: str = response["data"]["generatePrimes"]["__typename"]
    return name


def test_a_frozen_store_is_an_error_in_time_and_recovers(frozen: tuple[str, Valkey]) -> None:
    url, server = frozen
    watch = Stopwatch(*own_threads())
    response = httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=30).json()["data"]["generatePrimes"]
    assert watch.stop().seconds < MAX_RESPONSE_SECONDS
    assert (response["__typename"], response["code"], response["retryable"]) == (
        "BackendUnavailable",
        "BACKEND_UNAVAILABLE",
        True,
    )
    server.thaw()
    wait_until(lambda: submit(url) == "GeneratePrimesAccepted")


def test_a_frozen_store_is_503_with_retry_after_over_rest(frozen: tuple[str, Valkey]) -> None:
    url, _ = frozen
    watch = Stopwatch(*own_threads())
    responses = [
        httpx.post(f"{url}/generate?n=10", timeout=30),
        httpx.get(f"{url}/status/01945b7e-1c2d-7abc-8def-0123456789ab", timeout=30),
    ]
    assert watch.stop().seconds < 2 * MAX_RESPONSE_SECONDS
    for response in responses:
        assert response.status_code == 503
        assert response.headers["retry-after"] == "1"
        assert response.json()["detail"] == "the job store is unavailable"


def test_a_query_during_an_outage_is_an_error_with_a_code(frozen: tuple[str, Valkey]) -> None:
    url, _ = frozen
    query = '{ job(id: "01945b7e-1c2d-7abc-8def-0123456789ab") { id } }'
    response = httpx.post(f"{url}/graphql", json={"query": query}, timeout=30).json()
    assert response["data"] == {"job": None}
    assert response["errors"][0]["extensions"] == {"code": "BACKEND_UNAVAILABLE", "retryAfterMs": 1_000}


def test_the_event_loop_is_not_blocked_by_a_frozen_store(frozen: tuple[str, Valkey]) -> None:
    url, _ = frozen
    with httpx.Client(base_url=url, timeout=30) as client:
        # Twenty requests that block on the store. The test does not wait for them.
        for _ in range(20):
            with pytest.raises(httpx.ReadTimeout):
                client.post("/graphql", json={"query": SUBMIT}, timeout=0.05)
        assert client.get("/livez").is_success
        watch = Stopwatch(*own_threads())
        for _ in range(20):
            assert client.get("/livez").is_success
        assert watch.stop().seconds < 1
