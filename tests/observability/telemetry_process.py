"""A process with telemetry to one endpoint after the other: `python -m tests.observability.telemetry_process URL ...`.

Prints the seconds that starting, working and shutting down took, one line for each endpoint.
"""

from __future__ import annotations

import os
import sys

from opentelemetry import metrics, trace

from observability import telemetry
from tests.stopwatch import Stopwatch

SPANS = 1_000

# Shorter than in other processes, since most of the endpoints do not answer.
SHUTDOWN_SECONDS = 0.15


def main() -> None:
    """Run with each of the endpoints in the command line."""
    for endpoint in sys.argv[1:]:
        os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        watch = Stopwatch()
        running = telemetry.start("tests")
        assert running.tracer_provider is not None
        assert running.meter_provider is not None
        tracer, meter = running.tracer_provider.get_tracer("tests"), running.meter_provider.get_meter("tests")
        counter = meter.create_counter("tests")
        for _ in range(SPANS):
            with tracer.start_as_current_span("span"):
                counter.add(1)
        running.shutdown()
        print(watch.stop().seconds)  # noqa: T201 - the result


if __name__ == "__main__":
    if len(sys.argv) > 2:
        telemetry._SHUTDOWN_SECONDS = SHUTDOWN_SECONDS  # noqa: SLF001 - see there
    # These can be set once only.
    trace.set_tracer_provider = metrics.set_meter_provider = id  # type: ignore[assignment]
    main()
