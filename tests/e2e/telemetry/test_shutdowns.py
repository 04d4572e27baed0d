"""The metrics of short-lived and stopped workers arrive completely."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import programs
from tests.e2e.telemetry.monitored_system import SUBMIT, telemetry_environment, wait_for_sum

if TYPE_CHECKING:
    from tests.e2e.telemetry.stack import Stack


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("shutdown", ["TERM", "QUIT"])
def test_counts_are_exact_after_a_shutdown(
    stack: Stack, tmp_path_factory: pytest.TempPathFactory, protocol: str, shutdown: str
) -> None:
    """With both protocols, child processes that are replaced after five tasks, and warm and cold shutdown."""
    folder, service = tmp_path_factory.mktemp("short"), f"short-{shutdown}-{protocol.partition('/')[0]}".lower()
    options = telemetry_environment(stack) | {"OTEL_SERVICE_NAME": service, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
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
        worker.process.send_signal(signal.Signals[f"SIG{shutdown}"])
        worker.wait()
    wait_for_sum(stack, f'prime_task_duration_milliseconds_count{{service_name="{service}"}}', jobs)
    wait_for_sum(stack, f'job_duration_seconds_count{{service_name="{service}"}}', jobs)
    wait_for_sum(stack, f'prime_computed_total{{service_name="{service}"}}', jobs * 10)
