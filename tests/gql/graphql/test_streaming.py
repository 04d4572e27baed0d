"""Subscriptions over HTTP: the frames as clients split them, signs of life, and who gets a stream at all."""

from __future__ import annotations

import email
from email.policy import HTTP
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import programs
from tests.clients import finished_job

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System

QUERY = "subscription ($id: ID!) { jobCompleted(id: $id) { ... on JobUpdate { job { status } } } }"
DATA = '{"data":{"jobCompleted":{"job":{"status":"SUCCEEDED"}}}}'
SSE = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'


def subscribe(system: System, accept: str) -> httpx.Response:
    body = {"query": QUERY, "variables": {"id": finished_job(system, 10)}}
    return httpx.post(system.graphql, json=body, headers={"Accept": accept}, timeout=20)


@pytest.mark.parametrize("accept", [SSE, f"{SSE}, application/json", f"application/json, {SSE}"])
def test_an_event_stream_ends_its_events_with_empty_lines(system: System, accept: str) -> None:
    answer = subscribe(system, accept)
    assert answer.headers["content-type"].startswith(SSE)
    assert answer.text == f"event: next\ndata: {DATA}\n\nevent: complete\ndata: \n\n"


def test_an_event_source_subscribes_by_get(system: System) -> None:
    variables = f'{{"id": "{finished_job(system, 10)}"}}'
    answer = httpx.get(system.graphql, params={"query": QUERY, "variables": variables}, headers={"Accept": SSE})
    assert f"data: {DATA}\n\n" in answer.text


@pytest.mark.parametrize(
    "accept", [MULTIPART, f"{MULTIPART},application/json", f"application/json, {MULTIPART}", f"*/*;q=0.1, {MULTIPART}"]
)
def test_a_multipart_stream_is_chosen_wherever_it_stands(system: System, accept: str) -> None:
    answer = subscribe(system, accept)
    assert answer.headers["content-type"].startswith("multipart/mixed;boundary=graphql")
    assert f'{{"payload":{DATA}}}' in answer.text
    assert answer.text.rstrip().endswith("--graphql--")


def test_a_multipart_stream_is_read_by_who_goes_by_the_standard(system: System) -> None:
    answer = subscribe(system, MULTIPART)
    content_type = answer.headers["content-type"]
    assert content_type == "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + answer.content, policy=HTTP)
    assert message.is_multipart()
    assert (message.preamble or "", message.epilogue or "", message.defects) == ("", "", [])
    parts = [part.get_payload(decode=True) for part in message.iter_parts()]
    assert parts == [b"{}", f'{{"payload":{DATA}}}'.encode()]
    assert {part.get_content_type() for part in message.iter_parts()} == {"application/json"}


@pytest.mark.parametrize(
    "accept", [f"application/graphql-response+json, application/json, {SSE}", f"{SSE}, application/json"]
)
def test_who_accepts_both_gets_one_answer_to_a_query(system: System, accept: str) -> None:
    answer = httpx.post(system.graphql, json={"query": "{ limits { maxCount } }"}, headers={"Accept": accept})
    assert answer.json() == {"data": {"limits": {"maxCount": 100_000_000}}}


def test_who_wants_a_stream_alone_gets_a_query_as_one(system: System) -> None:
    answer = httpx.post(system.graphql, json={"query": "{ limits { maxCount } }"}, headers={"Accept": SSE})
    assert answer.text.startswith('event: next\ndata: {"data":')


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
def test_an_invalid_subscription_is_an_error_in_the_stream(system: System, accept: str) -> None:
    body = {"query": "subscription { nothing }"}
    answer = httpx.post(system.graphql, json=body, headers={"Accept": accept})
    assert "Cannot query field" in answer.text
    assert answer.text.rstrip().endswith(("data:", "--graphql--"))


@pytest.mark.parametrize(("accept", "sign"), [(SSE, ": heartbeat"), (MULTIPART, "{}")])
def test_a_silent_stream_gives_signs_of_life(system: System, tmp_path: Path, accept: str, sign: str) -> None:
    with programs.api(tmp_path, system.valkey.url, "nobody-works-here:", HEARTBEAT_SECONDS="0.1") as (url, _):
        job_id = httpx.post(f"{url}/generate?n=10").json()["request_id"]
        body = {"query": QUERY, "variables": {"id": job_id}}
        signs = 0
        with httpx.stream("POST", f"{url}/graphql", json=body, headers={"Accept": accept}, timeout=10) as answer:
            for line in answer.iter_lines():
                signs += line == sign or (sign == ": heartbeat" and line.startswith(":"))
                if signs == 3:
                    break
    assert signs == 3
