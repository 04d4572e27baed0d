"""A receiver of OTLP over HTTP, for tests of exported spans, metrics and logs."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.proto.common.v1.common_pb2 import KeyValue

_DELTA = 1

Attributes = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Span:
    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    seconds: float
    attributes: dict[str, str]
    links: tuple[str, ...]
    is_error: bool


@dataclass(frozen=True, slots=True)
class LogLine:
    service: str
    severity: str
    text: str
    trace_id: str
    attributes: dict[str, str]


@dataclass
class Receiver:
    """Everything received so far. A series is identified by resource, instrument and attributes."""

    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    # For a histogram: the number of measurements.
    series: dict[tuple[Attributes, str, Attributes], float] = field(default_factory=dict)
    bounds: dict[str, tuple[float, ...]] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    # histogram, counter, up-down counter or gauge.
    kinds: dict[str, str] = field(default_factory=dict)
    # Metrics with two points of the same attributes in one export, of which a store would keep only one.
    ambiguous: set[str] = field(default_factory=set)
    # Number of metric exports by process.
    exports: Counter[str] = field(default_factory=Counter)

    def catch_up(self) -> None:
        """Wait until everything measured before this call has arrived: each process has exported twice since."""
        before = self.exports.copy()
        wait_until(lambda: all(self.exports[process] >= count + 2 for process, count in before.items()))

    def total(self, name: str, **attributes: str) -> float:
        """The sum of the series with the given attributes (with _ for dots), over processes and other attributes."""
        expected = {(key.replace("_", "."), value) for key, value in attributes.items()}
        return sum(
            value
            for (_, metric, labels), value in self.series.items()
            if metric == name and expected <= {(key.replace("_", "."), text) for key, text in labels}
        )

    def instances(self, service: str) -> set[str]:
        return {
            dict(resource)["service.instance.id"]
            for resource, _, _ in self.series
            if dict(resource)["service.name"] == service
        }

    def series_of(self, name: str) -> set[Attributes]:
        return {labels for _, metric, labels in self.series if metric == name}

    def trace(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def names(self, trace_id: str) -> Counter[str]:
        return Counter(span.name for span in self.trace(trace_id))

    def take_traces(self, body: bytes) -> None:
        for by_resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = dict(_texts(by_resource.resource.attributes))["service.name"]
            for scope in by_resource.scope_spans:
                for span in scope.spans:
                    self.spans.append(
                        Span(
                            service,
                            span.name,
                            span.kind,
                            span.trace_id.hex(),
                            span.span_id.hex(),
                            span.parent_span_id.hex(),
                            (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                            dict(_texts(span.attributes)),
                            tuple(link.trace_id.hex() for link in span.links),
                            span.status.code == 2,
                        )
                    )

    def take_logs(self, body: bytes) -> None:
        for by_resource in ExportLogsServiceRequest.FromString(body).resource_logs:
            service = dict(_texts(by_resource.resource.attributes))["service.name"]
            self.logs += [
                LogLine(
                    service,
                    line.severity_text,
                    line.body.string_value,
                    line.trace_id.hex(),
                    dict(_texts(line.attributes)),
                )
                for scope in by_resource.scope_logs
                for line in scope.log_records
            ]

    def take_metrics(self, body: bytes) -> None:
        for by_resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            resource = frozenset(_texts(by_resource.resource.attributes))
            self.exports[dict(resource)["service.instance.id"]] += 1
            for scope in by_resource.scope_metrics:
                for metric in scope.metrics:
                    self.units[metric.name] = metric.unit
                    attribute_sets: set[Attributes] = set()
                    form = str(metric.WhichOneof("data"))
                    data: Any = getattr(metric, form)
                    sums = "counter" if getattr(data, "is_monotonic", False) else "up-down counter"
                    self.kinds[metric.name] = sums if form == "sum" else form
                    for point in data.data_points:
                        if hasattr(point, "explicit_bounds"):
                            self.bounds[metric.name] = tuple(point.explicit_bounds)
                            value = point.count
                        else:
                            value = getattr(point, point.WhichOneof("value"))
                        key = resource, metric.name, frozenset(_texts(point.attributes))
                        if key[2] in attribute_sets:
                            self.ambiguous.add(metric.name)
                        attribute_sets.add(key[2])
                        is_delta = getattr(data, "aggregation_temporality", 0) == _DELTA
                        self.series[key] = value + (self.series.get(key, 0) if is_delta else 0)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Run a receiver on a free loopback port until the block ends."""
    received = Receiver()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                received.take_traces(body)
            elif self.path == "/v1/metrics":
                received.take_metrics(body)
            elif self.path == "/v1/logs":
                received.take_logs(body)
            self.send_response(200)
            self.send_header("content-type", "application/x-protobuf")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
            del format, args

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        received.endpoint = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield received
        server.shutdown()
        thread.join(5)


def _texts(attributes: Any) -> list[tuple[str, str]]:
    pairs: list[KeyValue] = list(attributes)
    return [(pair.key, str(getattr(pair.value, str(pair.value.WhichOneof("value"))))) for pair in pairs]
