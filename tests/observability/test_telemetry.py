"""A process never waits for its collector, whatever the collector does."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack

import pytest

from observability import telemetry
from tests.collectors import BAD_COLLECTORS, bad_collector
from tests.observability.telemetry_process import SHUTDOWN_SECONDS, SPANS
from tests.otlp import receiver
from tests.programs import ROOT
from tests.stopwatch import Stopwatch

# Exports begin at once, so that one is running at the shutdown.
FREQUENT = {"OTEL_METRIC_EXPORT_INTERVAL": "20", "OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_LOGS_EXPORTER": "otlp"}

# For what is not waiting, on a busy machine. A silent collector alone would be waited for for 6 s.
BUSY_SECONDS = 2.5


def run(*endpoints: str, **environment: str) -> tuple[list[float], float]:
    """Seconds for which the process used each endpoint, and from the last one to its exit."""
    command = [sys.executable, "-m", "tests.observability.telemetry_process", *endpoints]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        seconds = [float(process.stdout.readline()) for _ in endpoints]
        exiting = Stopwatch(process.pid).stop_at_exit(process.pid)
        assert process.wait() == 0
        return seconds, exiting.seconds


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_bad_collector_delays_neither_start_nor_work_nor_shutdown(protocol: str) -> None:
    with ExitStack() as stack:
        endpoints = [stack.enter_context(bad_collector(kind)) for kind in BAD_COLLECTORS]
        # The first time includes imports.
        (_, *seconds), exit_seconds = run(endpoints[0], *endpoints, **FREQUENT, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    late = {
        kind: took for kind, took in zip(BAD_COLLECTORS, seconds, strict=True) if took > SHUTDOWN_SECONDS + BUSY_SECONDS
    }
    assert late == {}
    assert exit_seconds < BUSY_SECONDS


def test_shutdown_takes_less_than_a_second_longer_with_telemetry() -> None:
    assert telemetry._SHUTDOWN_SECONDS < 1  # noqa: SLF001 - the promise of the documentation


def test_final_flush_exports_everything() -> None:
    with receiver() as received:
        run(received.endpoint)
    assert len(received.spans) == received.total("tests") == SPANS
