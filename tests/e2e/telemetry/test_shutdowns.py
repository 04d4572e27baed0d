"""What short-lived and stopped workers have counted arrives, all of it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import programs
from tests.e2e.telemetry.watched import SUBMIT, equals, telling

if TYPE_CHECKING:
    from tests.e2e.telemetry.stack import Stack


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("ending", ["TERM", "QUIT"])
def test_counts_are_exact_after_a_shutdown(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, protocol: str, ending: str
) -> None:
    """By either protocol, with children that live for five tasks, which are then told to end warmly or coldly."""
    folder, service = tmp_path_factory.mktemp("short"), f"short-{ending}-{protocol.partition('/')[0]}".lower()
    options = telling(stack) | {"OTEL_SERVICE_NAME": service, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
    if protocol == "grpc":
        options["OTEL_EXPORTER_OTLP_ENDPOINT"] = stack.otlp_grpc_endpoint
    jobs = 42
    with (
        programs.valkey(folder) as valkey,
        programs.api(folder, valkey.url, "short:") as (url, _),
        programs.worker(folder, valkey.url, "short:", 2, ["--max-tasks-per-child", "5"], **options) as worker,
    ):
        for _ in range(jobs):
            body = {"query": SUBMIT, "variables": {"input": {"count": 10}, "ms": 10_000}}
            answer = httpx.post(f"{url}/graphql", json=body, timeout=20).json()
            assert answer["data"]["generatePrimes"]["job"]["status"] == "SUCCEEDED"
        worker.process.send_signal(signal.Signals[f"SIG{ending}"])
        worker.process.wait(15)
    equals(stack, f'prime_task_duration_milliseconds_count{{service_name="{service}"}}', jobs)
    equals(stack, f'job_duration_seconds_count{{service_name="{service}"}}', jobs)
    equals(stack, f'prime_computed_total{{service_name="{service}"}}', jobs * 10)
