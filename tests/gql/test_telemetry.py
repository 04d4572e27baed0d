"""What the API tells: requests by route, events to subscribers, and the figures of the job store."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from websockets import Subprotocol
from websockets.sync.client import ClientConnection, connect

from observability.buckets import SECONDS
from tests import programs
from tests.clients import data, finished_job
from tests.conftest import FREQUENT_EXPORT
from tests.otlp import receiver
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import TracedSystem
    from tests.programs import Program, Valkey

HTTP = "http.server.request.duration"
SUBMIT = """mutation { generatePrimes(input: {count: 20}) {
    ... on GeneratePrimesAccepted { job { traceId id } }
} }"""

FOLLOW = "subscription ($id: ID!) { jobUpdates(id: $id) { __typename } }"


def by_event_stream(traced: TracedSystem, job_id: str) -> int:
    """Follow a job to its end. Returns how many states came."""
    body = {"query": FOLLOW, "variables": {"id": job_id}}
    return httpx.post(traced.system.graphql, json=body, headers={"Accept": "text/event-stream"}).text.count("JobUpdate")


def by_websocket(traced: TracedSystem, job_id: str) -> int:
    """Likewise."""
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
    for path in (f"/status/{job_id}", "/status/unknown", "/nowhere", "/livez"):
        httpx.get(url + path)

    def counted() -> bool:
        status = {"http_route": "/status/{request_id}"}
        return (
            received.total(HTTP, **status, http_response_status_code="200") == before + 1
            and received.total(HTTP, **status, http_response_status_code="404") >= 1
            and received.total(HTTP, http_route="/graphql", http_response_status_code="200") >= 1
        )

    wait_until(counted)
    assert (received.bounds[HTTP], received.units[HTTP]) == (SECONDS, "s")
    assert received.total(HTTP, http_route="/livez") == 0
    assert {key for labels in received.series_of(HTTP) for key, _ in labels} <= {
        "http.request.method",
        "http.route",
        "http.response.status_code",
        "error.type",
    }


def test_one_way_to_answer_is_one_series(traced: TracedSystem) -> None:
    """A status that is 200 to a person must not be two values to the SDK."""
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


def test_primes_are_counted_by_the_door_they_leave_by(traced: TracedSystem) -> None:
    received, url = traced.received, traced.system.url
    received.catch_up()
    doors = ("graphql", "rest", "download")
    before = {door: received.total("prime.served", prime_door=door) for door in doors}
    job_id = finished_job(traced.system, 50)
    data(
        traced.system,
        "query ($id: ID!) { job(id: $id) { ... on Job { result { primes(first: 7) { values } at(index: 3) } } } }",
        id=job_id,
    )
    httpx.get(f"{url}/status/{job_id}")
    httpx.get(f"{url}/jobs/{job_id}/primes.csv")
    expected = {door: before[door] + count for door, count in zip(doors, (8, 50, 50), strict=True)}
    wait_until(lambda: {door: received.total("prime.served", prime_door=door) for door in doors} == expected)


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

    def linked() -> bool:
        deliveries = [span for span in received.spans if span.name == "deliver" and span.links == (job["traceId"],)]
        return len([span for span in deliveries if span.trace_id != job["traceId"]]) == sent

    wait_until(linked)


def test_jobs_of_one_websocket_are_traces_apart(traced: TracedSystem) -> None:
    """Each linked to the connection, which is a trace too, and lasts."""
    ids = []
    with connect(traced.system.websocket, subprotocols=[Subprotocol("graphql-transport-ws")]) as socket:
        socket.send(json.dumps({"type": "connection_init"}))
        for name in ("1", "2"):
            socket.send(json.dumps({"id": name, "type": "subscribe", "payload": {"query": SUBMIT}}))
            answers = [json.loads(message) for message in until_complete(socket)]
            [data] = [answer["payload"]["data"] for answer in answers if answer["type"] == "next"]
            ids.append(data["generatePrimes"]["job"]["traceId"])
    assert len(set(ids)) == 2

    def whole() -> bool:
        spans = [span for span in traced.received.spans if span.trace_id in ids and not span.parent_id]
        connections = {link for span in spans for link in span.links}
        return [span.name for span in spans] == ["mutation generatePrimes"] * 2 and len(connections) == 1

    wait_until(whole)


def test_a_delivery_after_the_subscriber_came_has_its_lag(traced: TracedSystem) -> None:
    """A wait for the end is a subscription too, and a short job ends during it; on a busy machine, not each does."""
    traced.received.catch_up()
    before = traced.received.total("job.event.lag")

    def lagged() -> bool:
        finished_job(traced.system, 10)
        return traced.received.total("job.event.lag") > before

    wait_until(lagged)


@pytest.mark.parametrize(
    "switch",
    [
        {"OTEL_LOGS_EXPORTER": "otlp"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_LOGS_EXPORTER": "otlp"},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none"},
    ],
    ids=["no endpoint", "disabled", "no exporters"],
)
def test_nothing_is_told_unless_it_is_asked_for(
    valkey: Valkey, prefix: str, tmp_path: Path, switch: dict[str, Any]
) -> None:
    with receiver() as received:
        endpoint: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint} if len(switch) > 1 else {}
        with programs.api(tmp_path, valkey.url, prefix, **FREQUENT_EXPORT, **endpoint, **switch) as (url, _):
            answer = httpx.post(f"{url}/graphql", json={"query": SUBMIT}).json()
    assert answer["data"]["generatePrimes"]["job"]["traceId"] is None
    assert (received.spans, received.series, received.logs) == ([], {}, [])


def test_counts_are_exact_over_several_processes_and_a_hot_restart(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    """Each process of uvicorn's tells for itself, to its end; what replaces it begins anew."""
    requests, operation = 20, {"graphql_root_field": "generatePrimes"}
    with receiver() as received:
        options: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with programs.api(tmp_path, valkey.url, prefix, more=["--workers", "2"], **options) as (url, api):
            wait_until(lambda: started(api) == 2, 30)
            for _ in range(requests):
                assert httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=30).is_success
            api.send(signal.SIGHUP)
            wait_until(lambda: started(api) == 4, 30)
            for _ in range(requests):
                assert httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=30).is_success
            api.end()
    assert received.total(HTTP, http_route="/graphql") == 2 * requests
    assert received.total("graphql.server.operation.duration", **operation) == 2 * requests
    assert len([span for span in received.spans if span.name == "mutation generatePrimes"]) == 2 * requests
    assert len(received.instances("primes-api")) == 4


def started(api: Program) -> int:
    """How many processes that answer requests there have been until now."""
    return api.output().count("Application startup complete")


def test_a_request_continues_the_trace_of_its_caller(traced: TracedSystem) -> None:
    ours = "0af7651916cd43dd8448eb211c80319c"
    answer = httpx.post(
        traced.system.graphql, json={"query": SUBMIT}, headers={"traceparent": f"00-{ours}-b7ad6b7169203331-01"}
    ).json()
    assert answer["data"]["generatePrimes"]["job"]["traceId"] == ours


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_that_is_away_holds_up_neither_requests_nor_the_end(
    valkey: Valkey, prefix: str, tmp_path: Path, protocol: str
) -> None:
    nowhere = f"http://127.0.0.1:{programs.free_port()}"
    options = FREQUENT_EXPORT | {"OTEL_EXPORTER_OTLP_ENDPOINT": nowhere, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    with programs.api(tmp_path, valkey.url, prefix, **options) as (url, api):
        assert httpx.post(f"{url}/graphql", json={"query": "{ limits { maxCount } }"}, timeout=2).is_success
        api.end(within=10)
