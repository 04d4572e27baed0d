"""Unexpected errors, such as a corrupt record: the client gets one sentence and a trace id, the log gets the rest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import in_process

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from tests.programs import Valkey

SENTENCE = "Unexpected error. It was logged; traceId identifies it."
QUERY = "query ($id: ID!) { job(id: $id) { status } }"
STREAM = "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }"


@pytest.fixture
def corrupt_record(valkey: Valkey, redis_client: redis.Redis, prefix: str) -> Iterator[tuple[str, str]]:
    """The address of an API, and the id of a job with an invalid status."""
    with in_process.api(valkey.url, prefix) as url:
        job_id = httpx.post(f"{url}/generate?n=1").json()["request_id"]
        redis_client.hset(f"{prefix}job:{job_id}", "status", "a secret")
        yield url, job_id


def is_logged(log: str, event: str, trace_id: str) -> bool:
    assert re.fullmatch("[0-9a-f]{32}", trace_id)
    line = rf"{event}, trace {trace_id}\nTraceback(.*\n)*?ValueError: 'a secret' is not a valid JobStatus"
    return re.search(line, log) is not None


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
def test_unexpected_error_in_a_query_returns_a_trace_id_and_no_detail(
    corrupt_record: tuple[str, str], caplog: pytest.LogCaptureFixture, accept: str
) -> None:
    url, job_id = corrupt_record
    body = {"query": QUERY, "variables": {"id": job_id}}
    answer = httpx.post(f"{url}/graphql", json=body, headers={"Accept": accept})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["message"]) == (200, SENTENCE)
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in answer.text
    assert is_logged(caplog.text, "Unexpected error in operation None at .*", error["extensions"]["traceId"])


def test_unexpected_error_in_a_stream_returns_a_trace_id_and_no_detail(
    corrupt_record: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    url, job_id = corrupt_record
    body = {"query": STREAM, "variables": {"id": job_id}}
    answer = httpx.post(f"{url}/graphql", json=body, headers={"Accept": "text/event-stream"}, timeout=20)
    assert SENTENCE in answer.text
    assert "secret" not in answer.text
    [trace_id] = re.findall('"traceId":"(.*?)"', answer.text)
    assert is_logged(caplog.text, "Unexpected error in operation None at .*", trace_id)


def test_unexpected_error_on_a_rest_endpoint_is_a_problem_with_security_headers(
    corrupt_record: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    url, job_id = corrupt_record
    answer = httpx.get(f"{url}/status/{job_id}")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["detail"] == SENTENCE
    assert "secret" not in answer.text
    assert is_logged(caplog.text, f"Unexpected error in GET /status/{job_id}", answer.json()["traceId"])
    assert caplog.text.count("Traceback") == 1
