"""Subscriptions over HTTP: framing, heartbeats, and the choice of a stream by Accept."""

from __future__ import annotations

import email
import json
import re
from datetime import timedelta
from email.policy import HTTP
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tasks.errors import BackendUnavailable, RateLimited
from tasks.service import JobService, JobSystem
from tests import in_process
from tests.clients import finished_job

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

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


# The end of an event stream


def get_stream(url: str, query: str, last_event_id: str | None = None, **variables: str) -> httpx.Response:
    headers = {"Accept": SSE} | ({} if last_event_id is None else {"Last-Event-ID": last_event_id})
    parameters = {"query": query, "variables": json.dumps(variables)}
    return httpx.get(url, params=parameters, headers=headers, timeout=20)


def last_id(response: httpx.Response) -> str | None:
    """The event id that an EventSource has at the end of the stream."""
    found = re.findall(r"^id: (.+)$", response.text, re.MULTILINE)
    return found[-1] if found else None


@pytest.mark.parametrize(
    "query", [QUERY, "subscription { nothing }", "{", "subscription { systemStats(intervalMs: 1) { at } }"]
)
def test_a_stream_that_ended_is_not_started_again(system: System, query: str) -> None:
    variables = {"id": finished_job(system, 10)} if query == QUERY else {}
    stream = get_stream(system.graphql, query, **variables)
    end = last_id(stream)
    assert end is not None
    assert stream.text.endswith(f"\n\nid: {end}\nevent: complete\ndata: \n\n")
    again = get_stream(system.graphql, query, end, **variables)
    assert (again.status_code, again.content) == (204, b"")
    assert again.headers["cache-control"] == "no-store"


def test_a_job_that_is_gone_has_no_more_events(system: System) -> None:
    query = 'subscription { jobUpdates(id: "unknown") { __typename } }'
    stream = get_stream(system.graphql, query)
    assert "JobNotFound" in stream.text
    assert get_stream(system.graphql, query, last_id(stream)).status_code == 204


@pytest.mark.parametrize("last_event_id", ["", "1", "end-", "another operation", "another job"])
def test_any_other_event_id_starts_the_stream(system: System, last_event_id: str) -> None:
    job_id = finished_job(system, 10)
    if last_event_id == "another operation":
        last_event_id = last_id(get_stream(system.graphql, "subscription { nothing }")) or ""
    elif last_event_id == "another job":
        last_event_id = last_id(get_stream(system.graphql, QUERY, id=finished_job(system, 10))) or ""
    assert DATA in get_stream(system.graphql, QUERY, last_event_id, id=job_id).text


def test_a_stream_by_post_has_no_event_id(system: System) -> None:
    assert last_id(subscribe(system, SSE)) is None


JOB_UPDATES = 'subscription { jobUpdates(id: "x") { __typename ... on UserError { code } } }'
SYSTEM_STATS = "subscription { systemStats { at } }"


@pytest.mark.parametrize(
    ("query", "failure"),
    [
        (JOB_UPDATES, (BackendUnavailable(), "BACKEND_UNAVAILABLE")),
        (JOB_UPDATES, (RuntimeError("a bug"), "INTERNAL_SERVER_ERROR")),
        (SYSTEM_STATS, (BackendUnavailable(), "BACKEND_UNAVAILABLE")),
        (SYSTEM_STATS, (RateLimited("too many", timedelta(seconds=1)), "RATE_LIMITED")),
        (SYSTEM_STATS, (RuntimeError("a bug"), "INTERNAL_SERVER_ERROR")),
    ],
)
def test_an_interrupted_stream_may_be_started_again(
    valkey: Valkey, prefix: str, monkeypatch: pytest.MonkeyPatch, query: str, failure: tuple[Exception, str]
) -> None:
    error, code = failure

    async def fail(*events: object) -> AsyncGenerator[object]:
        for event in events[:0]:
            yield event
        raise error

    monkeypatch.setattr(JobService, "watch_job", fail)
    monkeypatch.setattr(JobSystem, "watch_system_state", fail)
    with in_process.api(valkey.url, prefix) as url:
        stream = get_stream(f"{url}/graphql", query)
    assert code in stream.text
    assert stream.text.endswith("\n\nevent: complete\ndata: \n\n")
    assert last_id(stream) is None
