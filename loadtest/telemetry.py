"""Metrics of the load test, listed in docs/observability.md and configured by the standard OTEL_* variables.

Each process has its own provider and instance id, so create `Telemetry` after Locust has forked. Without an OTLP
endpoint in the environment nothing is exported.
"""

from __future__ import annotations

import logging
import math
import os
import uuid
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from opentelemetry.metrics import NoOpMeterProvider, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource

from loadtest.measurements import Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.metrics import CallbackOptions
    from opentelemetry.sdk.metrics.export import MetricReader

log = logging.getLogger(__name__)

# fmt: off
SECONDS = (
    .001, .0025, .005, .0075, .01, .015, .02, .03, .05, .075, .1, .15, .2, .25, .3, .5, .75,
    1, 1.5, 2, 3, 5, 7.5, 10, 30, 60, 120, 300,
)
# fmt: on

# Milliseconds between exports, as in the API and the workers. The SDK's default of a minute is too long for short runs.
_INTERVAL_MS = 10_000

# Milliseconds that the end of a run waits for a collector that does not respond, as the API and the workers do.
_SHUTDOWN_MS = 700


class Telemetry:
    """The instruments of one process, fed by Locust's request event."""

    def __init__(self, reader: MetricReader | None, users: Callable[[], int], scenario: Callable[[], str]) -> None:
        """Without a reader nothing is measured. Users and scenario are read at each export."""
        self._provider = _provider(reader) if reader else None
        meter = (self._provider or NoOpMeterProvider()).get_meter("loadtest")
        self._requests = meter.create_histogram(
            "loadtest.request.duration", "s", "Duration of one request", explicit_bucket_boundaries_advisory=SECONDS
        )
        self._jobs = meter.create_histogram(
            "loadtest.job.duration",
            "s",
            "Submission to final state, measured by the client",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._lags = meter.create_histogram(
            "loadtest.event.lag",
            "s",
            "finishedAt of the final state to its arrival at the client",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._violations = meter.create_counter("loadtest.violations", "{violation}", "Correctness violations")

        def observe_users(_: CallbackOptions) -> Iterable[Observation]:
            yield Observation(users(), {"loadtest.scenario": scenario()})

        meter.create_observable_gauge("loadtest.users", [observe_users], "{user}", "Running users of this process")

    def record_request(
        self, request_type: str, name: str, response_time: float | None, exception: Exception | None = None, **_: object
    ) -> None:
        """Record one request event of Locust."""
        seconds = (response_time or 0) / 1_000
        match request_type:
            case Measurement.JOB if exception is None:
                self._jobs.record(seconds, {"loadtest.size": name})
            case Measurement.LAG:
                self._lags.record(seconds)
            case Measurement.VIOLATION:
                self._violations.add(1, {"loadtest.violation": name})
            case Measurement.JOB:
                pass
            case _:
                outcome = "failed" if exception else "ok"
                self._requests.record(seconds, {"loadtest.request": name, "loadtest.outcome": outcome})

    def shutdown(self) -> None:
        """Export pending measurements and stop."""
        if self._provider is not None:
            self._provider.shutdown(_SHUTDOWN_MS)


def exporting_reader() -> MetricReader | None:
    """A reader that exports by OTLP over HTTP from a thread; None without an endpoint in the environment."""
    endpoint = os.environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    if not endpoint:
        return None
    import requests  # noqa: PLC0415
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415

    session = requests.Session()
    # Never through a proxy to a collector on this machine.
    session.trust_env = urlsplit(endpoint).hostname not in {"localhost", "127.0.0.1", "::1"}
    return PeriodicExportingMetricReader(OTLPMetricExporter(session=session), _interval_ms())


def _interval_ms() -> float:
    text = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or str(_INTERVAL_MS)
    try:
        interval = float(text)
    except ValueError:
        interval = 0
    if 0 < interval < math.inf:
        return interval
    log.warning("Ignored the variable OTEL_METRIC_EXPORT_INTERVAL=%r: must be a number above 0", text)
    return _INTERVAL_MS


def _provider(reader: MetricReader) -> MeterProvider:
    resource = Resource.create({"service.name": "primes-loadtest", "service.instance.id": str(uuid.uuid4())})
    return MeterProvider([reader], resource, AlwaysOffExemplarFilter(), shutdown_on_exit=False)
