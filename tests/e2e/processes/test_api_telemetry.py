"""Telemetry of API processes: exact counts when processes are replaced, and no delay without a collector."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests import programs
from tests.collectors import bad_collector
from tests.conftest import FREQUENT_EXPORT
from tests.otlp import receiver
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Program, Valkey

HTTP = "http.server.request.duration"
SUBMIT = "mutation { generatePrimes(input: {count: 20}) { __typename } }"


def test_counts_are_exact_over_several_processes_and_a_hot_restart(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    """Each uvicorn process exports its own metrics until it exits, and its replacement starts from zero."""
    requests, operation = 20, {"graphql_root_field": "generatePrimes"}
    with receiver() as received:
        options: dict[str, Any] = {"OTEL_EXPORTER_OTLP_ENDPOINT": received.endpoint}
        with programs.api(tmp_path, valkey.url, prefix, WEB_WORKERS="2", **options) as (url, api):
            wait_until(lambda: started(api) == 2)
            for _ in range(requests):
                assert httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=30).is_success
            api.send(signal.SIGHUP)
            wait_until(lambda: started(api) == 4)
            for _ in range(requests):
                assert httpx.post(f"{url}/graphql", json={"query": SUBMIT}, timeout=30).is_success
            api.stop()
    assert received.total(HTTP, http_route="/graphql") == 2 * requests
    assert received.total("graphql.server.operation.duration", **operation) == 2 * requests
    assert len([span for span in received.spans if span.name == "mutation generatePrimes"]) == 2 * requests
    assert len(received.instances("primes-api")) == 4


def started(api: Program) -> int:
    """The number of server processes started so far."""
    return api.output().count("Application startup complete")


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("kind", ["down", "silent"])
def test_bad_collector_delays_neither_requests_nor_shutdown(
    valkey: Valkey, prefix: str, tmp_path: Path, kind: str, protocol: str
) -> None:
    with bad_collector(kind) as endpoint:
        options = FREQUENT_EXPORT | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        with programs.api(tmp_path, valkey.url, prefix, **options) as (url, api):
            process = api.process.pid
            with Stopwatch(process) as request:
                assert httpx.post(f"{url}/graphql", json={"query": "{ limits { maxCount } }"}, timeout=30).is_success
            shutdown = Stopwatch(process)
            api.send(signal.SIGTERM)
            shutdown.stop_at_exit(process)
    assert request.seconds < 2
    assert shutdown.seconds < 4
