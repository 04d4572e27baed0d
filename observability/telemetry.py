"""Telemetry of one process, configured by the standard OTEL_* variables. Nothing starts without an OTLP endpoint.

Providers hold threads and connections, which do not survive a fork: call `start` in the process that does the work,
after the last fork. A parent that forks later uses `temporary_tracer`.

Exported signals: OTEL_SDK_DISABLED, OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_LOGS_EXPORTER (otlp or none).
Logs are exported only on request, since most installations collect them from the processes' output. Destination:
OTEL_EXPORTER_OTLP_ENDPOINT and _PROTOCOL (http/protobuf or grpc), or their _TRACES_, _METRICS_ and _LOGS_ forms. The
SDK itself reads the variables of samplers, batches and intervals.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, TypeVar

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.metrics.view import DropAggregation, ExplicitBucketHistogramAggregation, View
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from observability.buckets import SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from observability.log_exporter import LogExporter

log = logging.getLogger(__name__)

P = TypeVar("P")

# Timeout of one export, in a background thread.
_EXPORT_SECONDS = 3

# For the final export of all signals together. Enough for a collector that works; no process waits longer for one that
# does not.
_SHUTDOWN_SECONDS = 0.7

_PREFIX = "OTEL_EXPORTER_OTLP_"

# Used when OTEL_<signal>_EXPORTER is not set.
_DEFAULT_EXPORTERS = {"TRACES": "otlp", "METRICS": "otlp", "LOGS": "none"}

# Drops attributes of the instrumentation of FastAPI that have many values, and body sizes: it records the length of the
# last response of any request, also for a response without a length.
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
    """The providers of this process; None for a signal that is not exported."""

    tracer_provider: TracerProvider | None
    meter_provider: MeterProvider | None
    log_exporter: LogExporter | None

    @property
    def is_enabled(self) -> bool:
        """Whether spans or metrics are exported."""
        return self.tracer_provider is not None or self.meter_provider is not None

    def shutdown(self) -> None:
        """Export pending data and stop, within a fixed time whatever the collector does."""
        deadline = time.monotonic() + _SHUTDOWN_SECONDS
        providers = (self.tracer_provider, self.meter_provider)
        _run_until(deadline, [provider.shutdown for provider in providers if provider is not None])
        # Last, because shutting down the others may log.
        if self.log_exporter is not None:
            _run_until(deadline, [self.log_exporter.shutdown])


def start(service: str, instance: str | None = None) -> Telemetry:
    """Start the telemetry of this process as the environment configures it. Call once, after the last fork.

    Args:
        service: the service name, unless OTEL_SERVICE_NAME is set.
        instance: identifies this process among others of its service. Should be stable across restarts, which bounds
            the number of series. Default: host and process id.
    """
    resource = _resource(service, instance or f"{socket.gethostname()}:{os.getpid()}")
    telemetry = Telemetry(
        _create("TRACES", _tracer_provider, resource),
        _create("METRICS", _meter_provider, resource),
        _create("LOGS", _log_exporter, resource),
    )
    if telemetry.tracer_provider is not None:
        trace.set_tracer_provider(telemetry.tracer_provider)
    if telemetry.meter_provider is not None:
        metrics.set_meter_provider(telemetry.meter_provider)
    return telemetry


@contextmanager
def temporary_tracer(service: str) -> Iterator[trace.Tracer | None]:
    """A tracer for a few spans, which are exported when the block ends; None when traces are not exported."""
    provider = _create("TRACES", _tracer_provider, _resource(service, f"{socket.gethostname()}:{os.getpid()}"))
    if provider is None:
        yield None
        return
    try:
        yield provider.get_tracer(service)
    finally:
        _run_until(time.monotonic() + _SHUTDOWN_SECONDS, [provider.shutdown])


def _run_until(deadline: float, functions: Sequence[Callable[[], None]]) -> None:
    """Run functions at the same time. Returns at the deadline even if they have not, and whatever they raise.

    The SDK has no such deadline: spans and logs are flushed for up to 30 s, and then the connection is closed.
    """
    threads = [threading.Thread(target=_run, args=(function,), daemon=True) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, deadline - time.monotonic()))


def _run(function: Callable[[], None]) -> None:
    try:
        function()
    except Exception as error:  # noqa: BLE001 - the process ends all the same
        log.warning("Final export of telemetry failed: %s", error)


def _create(signal: str, create: Callable[[Resource], P], resource: Resource) -> P | None:
    """A provider; None if the signal is not exported, or if its variables contradict each other."""
    if not _is_enabled(signal):
        return None
    try:
        return create(resource)
    except Exception as error:  # noqa: BLE001 - of any part of the SDK: telemetry never keeps a program from its work
        log.warning("No %s are exported, check the variables OTEL_*: %s", signal.lower(), error)
        return None


def _is_enabled(signal: str) -> bool:
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if (os.environ.get(f"OTEL_{signal}_EXPORTER") or _DEFAULT_EXPORTERS[signal]) != "otlp":
        return False
    return bool(os.environ.get(f"{_PREFIX}ENDPOINT") or os.environ.get(f"{_PREFIX}{signal}_ENDPOINT"))


def _resource(service: str, instance: str) -> Resource:
    # Attributes of the environment take precedence, except the instance, which must differ between processes.
    name = os.environ.get("OTEL_SERVICE_NAME") or service
    return Resource.create({"service.name": name, "service.namespace": "primes", "service.instance.id": instance})


def _tracer_provider(resource: Resource) -> TracerProvider:
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(_exporter("TRACES")))
    return provider


def _meter_provider(resource: Resource) -> MeterProvider:
    reader = PeriodicExportingMetricReader(_exporter("METRICS"))
    # Exemplars cost time at each measurement, and VictoriaMetrics does not store them.
    return MeterProvider(
        [reader], resource, views=_VIEWS, exemplar_filter=AlwaysOffExemplarFilter(), shutdown_on_exit=False
    )


def _log_exporter(resource: Resource) -> LogExporter:
    # Imported late: it takes as long as the rest of the SDK, and few processes export logs.
    from observability.log_exporter import LogExporter  # noqa: PLC0415

    return LogExporter(resource, _exporter("LOGS"))


def _exporter(signal: str) -> Any:  # noqa: ANN401 - an exporter of spans, metrics or log records
    protocol = os.environ.get(f"{_PREFIX}{signal}_PROTOCOL") or os.environ.get(f"{_PREFIX}PROTOCOL") or "http/protobuf"
    # Found by entry point, as the SDK does: importing gRPC takes long, and few processes use it.
    is_grpc = protocol == "grpc"
    name = "otlp_proto_grpc" if is_grpc else "otlp_proto_http"
    [exporter] = entry_points(group=f"opentelemetry_{signal.lower()}_exporter", name=name)
    options: Mapping[str, Any] = {} if is_grpc else {"session": _session()}
    return exporter.load()(timeout=_EXPORT_SECONDS, **options)


def _session() -> Any:  # noqa: ANN401 - imported late
    """An HTTP session that reads no response bodies: the status says all, and a body may be slow or endless."""
    # Imported late: gRPC does without.
    import requests  # noqa: PLC0415

    session = requests.Session()
    session.stream = True
    session.hooks["response"].append(lambda response, **_: response.close())
    return session
