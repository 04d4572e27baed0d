"""Subscriptions over HTTP: framing, heartbeats, and the choice of a stream by Accept."""

from __future__ import annotations

import email
from email.policy import HTTP
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests import in_process
from tests.clients import finished_job

if TYPE_CHECKING:
    from tests.conftest import System
    from tests.programs import Valkey

QUERY = "subscription ($id: ID!) { jobCompleted(id: $id) { ... on JobUpdate { job { status } } } }"
DATA = '{"data":{"jobCompleted":{"job":{"status":"SUCCEEDED"}}}}'
SSE = "text/event-stream"
MULTIPART = 'multipart/mixed;boundary="graphql";subscriptionSpec=1.0'


def subscribe(system: System, accept: str) -> httpx.Response:
    body = {"query": QUERY, "variables": {"id": finished_job(system, 10)}}
    return httpx.post(system.graphql, json=body, headers={"Accept": accept}, timeout=20)


@pytest.mark.parametrize("accept", [SSE, f"{SSE}, application/json", f"application/json, {SSE}"])
def test_an_event_stream_separates_events_by_empty_lines(system: System, accept: str) -> None:
    response = subscribe(system, accept)
    assert response.headers["content-type"].startswith(SSE)
    assert response.text == f"event: next\ndata: {DATA}\n\nevent: complete\ndata: \n\n"


def test_an_event_source_subscribes_by_get(system: System) -> None:
    variables = f'{{"id": "{finished_job(system, 10)}"}}'
    response = httpx.get(system.graphql, params={"query": QUERY, "variables": variables}, headers={"Accept": SSE})
    assert f"data: {DATA}\n\n" in response.text


@pytest.mark.parametrize(
    "accept", [MULTIPART, f"{MULTIPART},application/json", f"application/json, {MULTIPART}", f"*/*;q=0.1, {MULTIPART}"]
)
def test_a_multipart_stream_is_chosen_at_any_position_in_accept(system: System, accept: str) -> None:
    response = subscribe(system, accept)
    assert response.headers["content-type"].startswith("multipart/mixed;boundary=graphql")
    assert f'{{"payload":{DATA}}}' in response.text
    assert response.text.rstrip().endswith("--graphql--")


def test_a_multipart_stream_is_valid_mime(system: System) -> None:
    response = subscribe(system, MULTIPART)
    content_type = response.headers["content-type"]
    assert content_type == "multipart/mixed;boundary=graphql;subscriptionSpec=1.0"
    message = email.message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + response.content, policy=HTTP)
    assert message.is_multipart()
    assert (message.preamble or "", message.epilogue or "", message.defects) == ("", "", [])
    parts = [part.get_payload(decode=True) for part in message.iter_parts()]
    assert parts == [b"{}", f'{{"payload":{DATA}}}'.encode()]
    assert {part.get_content_type() for part in message.iter_parts()} == {"application/json"}


@pytest.mark.parametrize(
    "accept",
    [
        f"application/graphql-response+json, application/json, {SSE}",
        f"{SSE}, application/json",
        f"{SSE}, */*",
        f"{MULTIPART}, application/graphql-response+json, application/json;q=0.9",
        f"{MULTIPART}, application/json",
        f"{MULTIPART}, */*;q=0.1",
        f"{MULTIPART}, {SSE};q=0.1, application/json;q=0.2",
    ],
)
def test_a_query_and_an_error_are_a_single_response_if_json_is_accepted_too(system: System, accept: str) -> None:
    response = httpx.post(system.graphql, json={"query": "{ limits { maxCount } }"}, headers={"Accept": accept})
    assert response.json() == {"data": {"limits": {"maxCount": 100_000_000}}}
    if "q=0." not in accept:
        response = httpx.post(system.graphql, json={"query": "{"}, headers={"Accept": accept})
        assert response.json()["errors"][0]["extensions"] == {"code": "GRAPHQL_PARSE_FAILED"}


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_query_is_never_a_multipart_stream(system: System, method: str) -> None:
    query = {"query": "{ limits { maxCount } }"}
    parameters: dict[str, Any] = {"json": query} if method == "POST" else {"params": query}
    response = httpx.request(method, system.graphql, headers={"Accept": MULTIPART}, **parameters)
    assert response.headers["content-type"] == "application/json"
    assert response.status_code == (200 if method == "POST" else 405)


def test_a_query_is_streamed_if_only_a_stream_is_accepted(system: System) -> None:
    response = httpx.post(system.graphql, json={"query": "{ limits { maxCount } }"}, headers={"Accept": SSE})
    assert response.text.startswith('event: next\ndata: {"data":')


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
def test_an_invalid_subscription_is_an_error_in_the_stream(system: System, accept: str) -> None:
    body = {"query": "subscription { nothing }"}
    response = httpx.post(system.graphql, json=body, headers={"Accept": accept})
    assert "Cannot query field" in response.text
    assert response.text.rstrip().endswith(("data:", "--graphql--"))


@pytest.mark.parametrize(("accept", "heartbeat"), [(SSE, ": heartbeat"), (MULTIPART, "{}")])
def test_an_idle_stream_sends_heartbeats(valkey: Valkey, accept: str, heartbeat: str) -> None:
    with in_process.api(valkey.url, "no-worker:", HEARTBEAT_SECONDS="0.1") as url:
        job_id = httpx.post(f"{url}/generate?n=10").json()["request_id"]
        body = {"query": QUERY, "variables": {"id": job_id}}
        heartbeats = 0
        with httpx.stream("POST", f"{url}/graphql", json=body, headers={"Accept": accept}, timeout=10) as response:
            for line in response.iter_lines():
                heartbeats += line == heartbeat or (heartbeat == ": heartbeat" and line.startswith(":"))
                if heartbeats == 3:
                    break
    assert heartbeats == 3


@pytest.mark.parametrize("accept", [SSE, MULTIPART])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_proxy_buffers_or_changes_a_stream(system: System, accept: str, method: str) -> None:
    request: dict[str, Any] = {"query": "subscription { nothing }"}
    sent: dict[str, Any] = {"params": request} if method == "GET" else {"json": request}
    response = httpx.request(method, system.graphql, headers={"Accept": accept}, **sent)
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["vary"] == "Accept"
