"""A store that freezes or dies: every door says so in time, the process stays alive, and all goes on afterwards."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import programs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Valkey

SUBMIT = "mutation { generatePrimes(input: {count: 10}) { __typename ... on UserError { code retryable message } } }"

# The promise is an answer within 2.5 s; a shared machine may be late by a second.
ANSWER_SECONDS = 3.5


@pytest.fixture
def frozen(tmp_path: Path) -> Iterator[tuple[str, Valkey]]:
    with programs.valkey(tmp_path) as server, programs.api(tmp_path, server.url, "outage:") as (url, _):
        assert submitted(url) == "GeneratePrimesAccepted"
        server.freeze()
        yield url, server


def submitted(url: str) -> str:
    answer = httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=10).json()
    name: str = answer["data"]["generatePrimes"]["__typename"]
    return name


def test_a_frozen_store_is_answered_for_in_time_and_forgotten_afterwards(frozen: tuple[str, Valkey]) -> None:
    url, server = frozen
    began = time.monotonic()
    answer = httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=10).json()["data"]["generatePrimes"]
    assert time.monotonic() - began < ANSWER_SECONDS
    assert (answer["__typename"], answer["code"], answer["retryable"]) == (
        "BackendUnavailable",
        "BACKEND_UNAVAILABLE",
        True,
    )
    server.thaw()
    wait_until(lambda: submitted(url) == "GeneratePrimesAccepted")


def test_a_frozen_store_is_503_with_retry_after_over_rest(frozen: tuple[str, Valkey]) -> None:
    url, _ = frozen
    began = time.monotonic()
    answers = [
        httpx.post(f"{url}/generate?n=10", timeout=10),
        httpx.get(f"{url}/status/01945b7e-1c2d-7abc-8def-0123456789ab", timeout=10),
    ]
    assert time.monotonic() - began < 2 * ANSWER_SECONDS
    for answer in answers:
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["detail"] == "the job store is unavailable"


def test_a_query_during_an_outage_is_an_error_with_a_code(frozen: tuple[str, Valkey]) -> None:
    url, _ = frozen
    query = '{ job(id: "01945b7e-1c2d-7abc-8def-0123456789ab") { id } }'
    answer = httpx.post(f"{url}/graphql", json={"query": query}, timeout=10).json()
    assert answer["data"] == {"job": None}
    assert answer["errors"][0]["extensions"] == {"code": "BACKEND_UNAVAILABLE"}


def test_the_event_loop_is_not_blocked_by_a_frozen_store(frozen: tuple[str, Valkey]) -> None:
    url, _ = frozen
    with httpx.Client(base_url=url, timeout=10) as client:
        # Twenty requests that hang on the store, none of which is waited for here.
        for _ in range(20):
            with pytest.raises(httpx.ReadTimeout):
                client.post("/graphql", json={"query": SUBMIT}, timeout=0.05)
        assert client.get("/livez").is_success
        slowest = max(client.get("/livez").elapsed.total_seconds() for _ in range(20))
    assert slowest < 1
