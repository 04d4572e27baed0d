"""Telemetry of one process, by the standard OTEL_* variables; without an endpoint among them nothing is started.

Providers are threads and open connections, which a fork breaks: `start` belongs into the process that will do the
work, after the last fork. A parent that forks later tells what it must by `briefly`.

Which signals go out: OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER (otlp or none).
Logs go out only if that says so: most who run this have their lines collected from the programs' output already. Where
to, and how: OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL (http/protobuf or grpc), or their _TRACES_, _METRICS_ and _LOGS_
forms. Sampler, batches and intervals are read by the SDK itself.
"""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from observability.buckets import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from observability.log_exporter import LogSender

# What a process that ends waits for a collector that does not answer.
_EXPORT_SECONDS = 3

_PREFIX = "OTEL_EXPORTER_OTLP_"

# What is meant by a variable that is not there.
_EXPORTERS = {"TRACES": "otlp", "METRICS": "otlp", "LOGS": "none"}

# Of what the instrumentation of FastAPI tells, the attributes with few values; it does not tell body sizes reliably.
_VIEWS = (
    View(
        instrument_name="http.server.request.duration",
        attribute_keys={"http.request.method", "http.route", "http.response.status_code", "error.type"},
        aggregation=ExplicitBucketHistogramAggregation(SECONDS),
    ),
    View(instrument_name="http.server.active_requests", attribute_keys={"http.request.method"}),
    View(instrument_name="http.server.*.body.size", aggregation=DropAggregation()),
)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The providers of this process; None where a signal is not wanted."""

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    log_sender: LogSender | None

    def shutdown(self) -> None:
        """Send what has gathered, and stop. Takes some seconds if the collector does not answer."""
        if self.tracer_provider is not None:
            self.tracer_provider.shutdown()
        if self.meter_provider is not None:
            self.meter_provider.shutdown(_EXPORT_SECONDS * 1000)
        # The last one, since the others may have something to say.
        if self.log_sender is not None:
            self.log_sender.shutdown()


def start(service: str, instance: str | None = None) -> Telemetry:
    """Switch telemetry on for this process, if the environment asks for it. Call once, after the last fork.

    Args:
        service: the service's name, where OTEL_SERVICE_NAME does not give another.
        instance: what tells this process from others of its kind; the same again after a restart, so that there are
            not ever more series. Default: host and process id.
    """
    resource = _resource(service, instance or f"{socket.gethostname()}:{os.getpid()}")
    telemetry = Telemetry(
        _tracer_provider(resource) if _wanted("TRACES") else None,
        _meter_provider(resource) if _wanted("METRICS") else None,
        _log_sender(resource) if _wanted("LOGS") else None,
    )
    if telemetry.tracer_provider is not None:
        trace.set_tracer_provider(telemetry.tracer_provider)
    if telemetry.meter_provider is not None:
        metrics.set_meter_provider(telemetry.meter_provider)
    return telemetry


@contextmanager
def briefly(service: str) -> Iterator[trace.Tracer | None]:
    """A tracer for a few spans, all sent when the block ends; None where traces are not wanted."""
    if not _wanted("TRACES"):
        yield None
        return
    provider = _tracer_provider(_resource(service, f"{socket.gethostname()}:{os.getpid()}"))
    try:
        yield provider.get_tracer(service)
    finally:
        provider.shutdown()


def _wanted(signal: str) -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if (os.environ.get(f"OTEL_{signal}_EXPORTER") or _EXPORTERS[signal]) != "otlp":
        return False
    return bool(os.environ.get(f"{_PREFIX}ENDPOINT") or os.environ.get(f"{_PREFIX}{signal}_ENDPOINT"))


def _resource(service: str, instance: str) -> Resource:
    # The environment's own attributes win, but for the instance: one value can't tell several processes apart.
    name = os.environ.get("OTEL_SERVICE_NAME") or service
    return Resource.create({"service.name": name, "service.namespace": "primes", "service.instance.id": instance})


def _tracer_provider(resource: Resource) -> TracerProvider:
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter("TRACES")))
    return provider


def _meter_provider(resource: Resource) -> MeterProvider:
    reader = PeriodicExportingMetricReader(_exporter("METRICS"))
    # Exemplars cost time at each measurement, and the metrics store keeps none.
    return MeterProvider(
        [reader], resource, views=_VIEWS, exemplar_filter=AlwaysOffExemplarFilter(), shutdown_on_exit=False
    )


def _log_sender(resource: Resource) -> LogSender:
    # Takes as long to load as all the rest of the SDK, and is seldom wanted.
    from observability.log_exporter import LogSender  # noqa: PLC0415

    return LogSender(resource, _exporter("LOGS"))


def _exporter(signal: str) -> Any:  # noqa: ANN401 - of spans, of metrics or of log records
    protocol = os.environ.get(f"{_PREFIX}{signal}_PROTOCOL") or os.environ.get(f"{_PREFIX}PROTOCOL") or "http/protobuf"
    # Found by name, as the SDK itself does: gRPC takes its time to load, and is seldom wanted.
    name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    [found] = entry_points(group=f"opentelemetry_{signal.lower()}_exporter", name=name)
    return found.load()(timeout=_EXPORT_SECONDS)
