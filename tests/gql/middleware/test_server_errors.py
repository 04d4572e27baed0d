"""Faults of our own, of which a record that makes no sense is one: a sentence for the client, the rest for the log."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests import programs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import redis

    from tests.programs import Program, Valkey

SENTENCE = "Unexpected error: it was logged, and is not the fault of the request."
QUERY = "query ($id: ID!) { job(id: $id) { status } }"
STREAM = "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }"


@pytest.fixture
def broken(
    valkey: Valkey, redis_client: redis.Redis, prefix: str, tmp_path: Path
) -> Iterator[tuple[str, str, Program]]:
    """An API, a job that has a status which there is not, and the program."""
    with programs.api(tmp_path, valkey.url, prefix) as (url, program):
        job_id = httpx.post(f"{url}/generate?n=1").json()["request_id"]
        redis_client.hset(f"{prefix}job:{job_id}", "status", "a secret")
        yield url, job_id, program


def logged(program: Program, trace_id: str) -> bool:
    assert re.fullmatch("[0-9a-f]{32}", trace_id)
    line = rf"failed.*, trace {trace_id}\nTraceback(.*\n)*?ValueError: 'a secret' is not a valid JobStatus"
    return re.search(line, program.output()) is not None


@pytest.mark.parametrize("accept", ["application/json", "application/graphql-response+json"])
def test_a_defect_in_a_query_is_one_sentence_and_what_finds_it(broken: Any, accept: str) -> None:
    url, job_id, program = broken
    body = {"query": QUERY, "variables": {"id": job_id}}
    answer = httpx.post(f"{url}/graphql", json=body, headers={"Accept": accept})
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["message"]) == (200, SENTENCE)
    assert error["extensions"]["code"] == "INTERNAL_SERVER_ERROR"
    assert "secret" not in answer.text
    assert logged(program, error["extensions"]["traceId"])


def test_a_defect_in_a_stream_is_too(broken: Any) -> None:
    url, job_id, program = broken
    body = {"query": STREAM, "variables": {"id": job_id}}
    answer = httpx.post(f"{url}/graphql", json=body, headers={"Accept": "text/event-stream"}, timeout=20)
    assert SENTENCE in answer.text
    assert "secret" not in answer.text
    [trace_id] = re.findall('"traceId":"(.*?)"', answer.text)
    assert logged(program, trace_id)


def test_a_defect_behind_a_rest_door_is_a_problem_with_the_headers_of_every_answer(broken: Any) -> None:
    url, job_id, program = broken
    answer = httpx.get(f"{url}/status/{job_id}")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json()["detail"] == SENTENCE
    assert "secret" not in answer.text
    assert logged(program, answer.json()["traceId"])
    assert program.output().count("Traceback") == 1
