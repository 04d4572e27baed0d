"""Telemetry of the API: requests by route, primes served, deliveries to subscribers, traces, and switches."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING

import httpx
import pytest
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from observability.buckets import SECONDS
from tests import in_process
from tests.clients import data, finished_job
from tests.conftest import FREQUENT_EXPORT
from tests.otlp import receiver
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import TracedSystem
    from tests.programs import Valkey

HTTP = "http.server.request.duration"

# SPAN_KIND_SERVER of OTLP.
_SERVER = 2

SUBMIT = """mutation { generatePrimes(input: {count: 20}) {
    ... on GeneratePrimesAccepted { job { traceId id } }
} }"""

FOLLOW = "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }"


def by_event_stream(traced: TracedSystem, job_id: str) -> int:
    """Follow a job to its end by event stream. Returns the number of updates."""
    body = {"query": FOLLOW, "variables": {"id": job_id}}
    return httpx.post(traced.system.graphql, json=body, headers={"Accept": "text/event-stream"}).text.count("JobUpdate")


def by_websocket(traced: TracedSystem, job_id: str) -> int:
    """Follow a job to its end by WebSocket. Returns the number of updates."""
    payload = {"query": FOLLOW, "variables": {"id": job_id}}
    protocols = [Subprotocol("graphql-transport-ws")]
    with connect(traced.system.websocket, subprotocols=protocols) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        types = [json.loads(message)["type"] for message in until_complete(socket)]
    return types.count("next")


def until_complete(socket: ClientConnection) -> Iterator[str | bytes]:
    for message in socket:
        yield message
        if json.loads(message)["type"] == "complete":
            return


def test_requests_are_counted_by_route_and_status(traced: TracedSystem) -> None:
    received, url = traced.received, traced.system.url
    received.catch_up()
    before = received.total(HTTP, http_route="/status/{request_id}", http_response_status_code="200")
    job_id = finished_job(traced.system, 10)
    for path in (f"/status/{job_id}", "/status/livez", "/nowhere", "/livez"):
        httpx.get(url + path)

    def is_counted() -> bool:
        status = {"http_route": "/status/{request_id}"}
        return (
            received.total(HTTP, **status, http_response_status_code="200") == before + 1
            and received.total(HTTP, **status, http_response_status_code="404") >= 1
            and received.total(HTTP, http_route="/graphql", http_response_status_code="200") >= 1
        )

    wait_until(is_counted)
    assert (received.bounds[HTTP], received.units[HTTP]) == (SECONDS, "s")
    assert received.total(HTTP, http_route="/livez") == 0
    assert not [span for span in received.spans if span.attributes.get("url.path") == "/livez"]
    assert {key for labels in received.series_of(HTTP) for key, _ in labels} <= {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "error.type",
    }


def test_only_the_duration_and_the_number_of_requests_are_measured(traced: TracedSystem) -> None:
    """By the stable semantic conventions, whatever OTEL_SEMCONV_STABILITY_OPT_IN says. Body sizes would be wrong."""
    finished_job(traced.system, 10)
    traced.received.catch_up()
    names = {name for _, name, _ in traced.received.series if name.startswith("http.")}
    assert names == {HTTP, "http.server.active_requests"}


@pytest.mark.parametrize("accept", ["application/json", "text/event-stream"])
def test_request_is_one_span(traced: TracedSystem, accept: str) -> None:
    """Its messages have none, which a stream has many of. Its name is that of the operation."""
    trace_id = uuid.uuid4().hex
    headers = {"Accept": accept, "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    body = {"query": "{ limits { maxCount } }"}
    assert httpx.post(traced.system.graphql, json=body, headers=headers).is_success
    wait_until(lambda: traced.received.trace(trace_id) != [])
    traced.received.catch_up()
    [span] = traced.received.trace(trace_id)
    assert (span.name, span.kind) == ("query limits", _SERVER)
    assert span.attributes["http.route"] == "/graphql"
    assert span.attributes["http.response.status_code"] == "200"


def test_request_that_a_middleware_refuses_has_its_route(traced: TracedSystem) -> None:
    refused = {"http_route": "/graphql", "http_response_status_code": "413"}
    before = traced.received.total(HTTP, **refused)
    assert httpx.post(traced.system.graphql, content="x" * 300_000).status_code == 413
    wait_until(lambda: traced.received.total(HTTP, **refused) == before + 1)


def test_each_status_is_one_series(traced: TracedSystem) -> None:
    """The SDK must not export 200 and HTTPStatus.OK as two values."""
    received, url = traced.received, traced.system.url
    job_id = finished_job(traced.system, 10)
    stream = {"query": "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }", "variables": {"id": job_id}}
    httpx.post(traced.system.graphql, json=stream, headers={"Accept": "text/event-stream"})
    httpx.post(traced.system.graphql, content="{")
    httpx.post(traced.system.graphql, content="x" * 300_000)
    for path in ("/readyz", "/docs", "/", f"/jobs/{job_id}/primes.csv", f"/status/{job_id}", "/status/none"):
        httpx.get(url + path)
    received.catch_up()
    assert received.ambiguous == set()


def test_primes_served_are_counted_by_endpoint(traced: TracedSystem) -> None:
    received, url = traced.received, traced.system.url
    received.catch_up()
    endpoints = ("graphql", "rest", "download")
    before = {endpoint: received.total("prime.served", prime_endpoint=endpoint) for endpoint in endpoints}
    job_id = finished_job(traced.system, 50)
    data(
        traced.system,
        "query ($id: ID!) { job(id: $id) { ... on Job { result { primes(first: 7) { values } at(index: 3) } } } }",
        id=job_id,
    )
    httpx.get(f"{url}/status/{job_id}")
    httpx.get(f"{url}/jobs/{job_id}/primes.csv")
    expected = {endpoint: before[endpoint] + count for endpoint, count in zip(endpoints, (8, 50, 50), strict=True)}
    wait_until(
        lambda: (
            {endpoint: received.total("prime.served", prime_endpoint=endpoint) for endpoint in endpoints} == expected
        )
    )


@pytest.mark.parametrize("follow", [by_event_stream, by_websocket])
def test_deliveries_are_counted_with_their_lag_and_link_to_the_job(
    traced: TracedSystem, follow: Callable[[TracedSystem, str], int]
) -> None:
    received = traced.received
    received.catch_up()
    delivered, lagging = received.total("job.events.delivered"), received.total("job.event.lag")
    job = data(traced.system, SUBMIT)["generatePrimes"]["job"]
    sent = follow(traced, job["id"])
    assert sent
    wait_until(lambda: received.total("job.events.delivered") == delivered + sent)
    assert received.total("job.event.lag") <= lagging + sent

    def are_linked() -> bool:
        deliveries = [span for span in received.spans if span.name == "deliver" and span.links == (job["traceId"],)]
        return len([span for span in deliveries if span.trace_id != job["traceId"]]) == sent

    wait_until(are_linked)


def test_each_operation_on_a_websocket_has_its_own_trace(traced: TracedSystem) -> None:
    """Linked to the long trace of the connection."""
    ids = []
    with connect(traced.system.websocket, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        for name in ("1", "2"):
            socket.send(json.dumps({"id": name, "type": "subscribe", "payload": {"query": SUBMIT}}))
            answers = [json.loads(message) for message in until_complete(socket)]
            [data] = [answer["payload"]["data"] for answer in answers if answer["type"] == "next"]
            ids.append(data["generatePrimes"]["job"]["traceId"])
    assert len(set(ids)) == 2

    def are_complete() -> bool:
        spans = [span for span in traced.received.spans if span.trace_id in ids and not span.parent_id]
        connections = {link for span in spans for link in span.links}
        return [span.name for span in spans] == ["mutation generatePrimes"] * 2 and len(connections) == 1

    wait_until(are_complete)


def test_lag_is_recorded_for_events_after_the_subscription(traced: TracedSystem) -> None:
    """waitMs subscribes too. A short job usually ends during the wait, but not always on a busy machine."""
    traced.received.catch_up()
    before = traced.received.total("job.event.lag")

    def lag_is_recorded() -> bool:
        finished_job(traced.system, 10)
        return traced.received.total("job.event.lag") > before

    wait_until(lag_is_recorded)


@pytest.mark.parametrize(
    "switch",
    [
        {"OTEL_LOGS_EXPORTER": "otlp"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_LOGS_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
    ids=["no endpoint", "disabled", "no exporters"],
)
def test_nothing_is_exported_when_telemetry_is_disabled(
    valkey: Valkey, prefix: str, monkeypatch: pytest.MonkeyPatch, switch: dict[str, str]
) -> None:
    with receiver() as received:
        endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint} if len(switch) > 1 else {}
        for name, value in (FREQUENT_EXPORT | endpoint | switch).items():
            monkeypatch.setenv(name, value)
        with in_process.api(valkey.url, prefix) as url:
            answer = httpx.post(f"{url}/graphql", json={"query": SUBMIT}).json()
    assert answer["data"]["generatePrimes"]["job"]["traceId"] is None
    assert (received.spans, received.series, received.logs) == ([], {}, [])


def test_request_continues_the_trace_of_its_caller(traced: TracedSystem) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    answer = httpx.post(
        traced.system.graphql, json={"query": SUBMIT}, headers={"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    ).json()
    assert answer["data"]["generatePrimes"]["job"]["traceId"] == trace_id
