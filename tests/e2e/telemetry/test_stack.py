"""Metrics and traces sent over OTLP are stored under their documented names."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import httpx
import pytest
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter as GrpcMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcSpanExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import Link, SpanKind, format_trace_id

from tests.e2e.telemetry.stack import telemetry_stack
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Tracer

    from tests.e2e.telemetry.stack import Stack

Protocol = Literal["http/protobuf", "grpc"]

# Suffixes that VictoriaMetrics adds for units; units in braces add none.
UNITS = {"s": "_seconds", "ms": "_milliseconds", "By": "_bytes"}
ROW = re.compile(r"^\| `([\w.]+)` \| (histogram|counter|up-down counter|gauge), ([\w{}]+)", re.MULTILINE)


def documented() -> list[tuple[str, str, str]]:
    """Name, type and unit of every metric in the contract."""
    return ROW.findall((ROOT / "docs/observability.md").read_text(encoding="utf-8"))


def stored_as(name: str, kind: str, unit: str) -> str:
    base = name.replace(".", "_") + UNITS.get(unit, "")
    return base + {"counter": "_total", "histogram": "_bucket"}.get(kind, "")


def resource(service: str) -> Resource:
    return Resource({"service.name": service, "service.instance.id": "host:1", "process.pid": 1})


@contextmanager
def meter(stack: Stack, service: str, protocol: Protocol = "http/protobuf") -> Iterator[Meter]:
    """A meter whose measurements have been exported when the block ends."""
    exporter = (
        GrpcMetricExporter(endpoint=stack.otlp_grpc_endpoint, insecure=True)
        if protocol == "grpc"
        else OTLPMetricExporter(f"{stack.otlp_endpoint}/v1/metrics")
    )
    provider = MeterProvider([PeriodicExportingMetricReader(exporter)], resource(service), shutdown_on_exit=False)
    yield provider.get_meter("tests")
    provider.shutdown()


@contextmanager
def tracer(stack: Stack, service: str, protocol: Protocol = "http/protobuf") -> Iterator[Tracer]:
    """A tracer whose spans have been exported when the block ends."""
    exporter = (
        GrpcSpanExporter(endpoint=stack.otlp_grpc_endpoint, insecure=True)
        if protocol == "grpc"
        else OTLPSpanExporter(f"{stack.otlp_endpoint}/v1/traces")
    )
    provider = TracerProvider(resource=resource(service), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    yield provider.get_tracer("tests")
    provider.shutdown()


def record(meter: Meter, name: str, kind: str, unit: str, attributes: dict[str, str]) -> None:
    """Record the value 3 once."""
    match kind:
        case "counter":
            meter.create_counter(name, unit).add(3, attributes)
        case "up-down counter":
            meter.create_up_down_counter(name, unit).add(3, attributes)
        case "gauge":
            meter.create_gauge(name, unit).set(3, attributes)
        case "histogram":
            meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=[1, 5]).record(3, attributes)
        case _:
            pytest.fail(f"{name} is of an unknown type: {kind}")


def test_every_documented_metric_is_stored_under_its_documented_name(stack: Stack) -> None:
    rows = documented()
    assert len(rows) > 30
    with meter(stack, "names") as test_meter:
        for row in rows:
            record(test_meter, *row, {})
    expected = {stored_as(*row) for row in rows}

    def found() -> set[str]:
        names = {series.labels["__name__"] for series in stack.query('{service_name="names"}')}
        return {name for name in names if not name.endswith(("_sum", "_count"))}

    wait_until(lambda: found() >= expected, explain=lambda: f"missing: {sorted(expected - found())}")
    assert found() == expected


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_series_have_their_attributes_and_those_of_their_process(stack: Stack, protocol: Protocol) -> None:
    service = f"values-{protocol[:4]}"
    with meter(stack, service, protocol) as test_meter:
        record(test_meter, "job.submissions", "counter", "{job}", {"job.queue": "small", "job.outcome": "created"})
        record(test_meter, "job.duration", "histogram", "s", {"job.queue": "small"})
    process_labels = {"service_name": service, "service_instance_id": "host:1"}
    wait_until(lambda: len(stack.query(f'{{service_name="{service}"}}')) == 6)

    [submissions] = stack.query(f'job_submissions_total{{service_name="{service}"}}')
    assert submissions.labels == process_labels | {
        "__name__": "job_submissions_total",
        "job_queue": "small",
        "job_outcome": "created",
    }
    assert submissions.value == 3
    buckets = stack.query(f'job_duration_seconds_bucket{{service_name="{service}"}}')
    assert {bucket.labels["le"]: bucket.value for bucket in buckets} == {"1": 0, "5": 1, "+Inf": 1}
    [median] = stack.query(
        f'histogram_quantile(0.5, sum by (le) (job_duration_seconds_bucket{{service_name="{service}"}}))'
    )
    assert 1 < median.value < 5
    now = time.time()
    [earlier] = stack.query_range(f'job_submissions_total{{service_name="{service}"}}', now - 60, now, 1)
    assert earlier.value == 3


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_trace_is_found_by_its_id_with_its_links(stack: Stack, protocol: Protocol) -> None:
    with tracer(stack, "traces", protocol) as traces:
        with traces.start_as_current_span("send small", kind=SpanKind.PRODUCER) as sent:
            traces.start_span("process small", kind=SpanKind.CONSUMER, attributes={"job.id": "j"}).end()
        delivered = traces.start_span("deliver", links=[Link(sent.get_span_context())])
        delivered.end()
    job, delivery = (format_trace_id(span.get_span_context().trace_id) for span in (sent, delivered))
    wait_until(lambda: len(stack.trace(job)) == 2 and len(stack.trace(delivery)) == 1)

    spans = {span["operationName"]: span for span in stack.trace(job)}
    assert spans["process small"]["references"] == [
        {"refType": "CHILD_OF", "traceID": job, "spanID": spans["send small"]["spanID"]}
    ]
    assert {"key": "job.id", "type": "string", "value": "j"} in spans["process small"]["tags"]
    [delivery_span] = stack.trace(delivery)
    assert delivery_span["references"] == [
        {"refType": "FOLLOWS_FROM", "traceID": job, "spanID": spans["send small"]["spanID"]}
    ]


def test_requests_of_probes_are_not_stored(stack: Stack) -> None:
    with tracer(stack, "probes") as traces:
        ids = {}
        for path in ("/livez", "/readyz", "/graphql"):
            span = traces.start_span("GET", kind=SpanKind.SERVER, attributes={"url.path": path})
            span.end()
            ids[path] = format_trace_id(span.get_span_context().trace_id)
    wait_until(lambda: len(stack.trace(ids["/graphql"])) == 1)
    # All spans were exported together, so these would have arrived by now.
    assert [stack.trace(ids[path]) for path in ("/livez", "/readyz")] == [[], []]


def test_the_stack_exports_metrics_about_itself(stack: Stack, tmp_path: Path) -> None:
    """Health, queues and failures of the collector and the stores are scraped."""
    (tmp_path / "none.yml").write_text("groups: []", encoding="utf-8")
    with stack.vmalert(tmp_path), tracer(stack, "own") as traces:
        traces.start_span("one").end()
        jobs = {"otel-collector", "victoria-metrics", "vmalert", "jaeger"}
        wait_until(lambda: {up.labels["job"] for up in stack.query("up == 1")} == jobs)
    assert httpx.get(stack.collector_health).json()["status"] == "Server available"
    passed = "otelcol_receiver_accepted_spans > 0 and on (job) otelcol_exporter_sent_spans > 0"
    wait_until(lambda: bool(stack.query(passed)))
    waiting = {series.labels["exporter"] for series in stack.query("otelcol_exporter_queue_size == 0")}
    assert waiting == {"otlp_http/metrics", "otlp_grpc/traces"}
    assert {series.value for series in stack.query("otelcol_exporter_queue_capacity")} == {32 * 1024 * 1024}


def test_an_alert_that_fires_is_a_series(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(
        "groups: [{name: tests, rules: [{alert: Scraped, expr: 'up{job=\"victoria-metrics\"} == 1'}]}]",
        encoding="utf-8",
    )
    with stack.vmalert(tmp_path, interval="1s"):
        wait_until(lambda: bool(stack.query('ALERTS{alertname="Scraped", alertstate="firing"}')))


def test_the_store_evaluates_every_deployed_rule(stack: Stack) -> None:
    with stack.vmalert(interval="1s"):

        def rules() -> list[dict[str, Any]]:
            groups = httpx.get(f"{stack.vmalert_url}/api/v1/rules").json()["data"]["groups"]
            return [rule for group in groups for rule in group["rules"]]

        assert rules()
        # A rule that was never evaluated has the year 1.
        wait_until(lambda: all(rule["lastEvaluation"] > "2000" for rule in rules()), 90)
        assert {rule["name"]: rule["lastError"] for rule in rules() if rule["lastError"]} == {}


def test_data_exported_during_an_outage_of_the_stores_arrives_afterwards(tmp_path: Path) -> None:
    """Earlier data is kept, too."""
    with telemetry_stack(tmp_path) as stack:
        with meter(stack, "before") as test_meter, tracer(stack, "before") as traces:
            record(test_meter, "job.submissions", "counter", "{job}", {})
            before = traces.start_span("before")
            before.end()
        old = format_trace_id(before.get_span_context().trace_id)
        wait_until(lambda: bool(stack.query('job_submissions_total{service_name="before"}') and stack.trace(old)))

        stack.stop_metrics_store()
        stack.stop_trace_store()
        with meter(stack, "meanwhile") as test_meter, tracer(stack, "meanwhile") as traces:
            record(test_meter, "job.submissions", "counter", "{job}", {})
            meanwhile = traces.start_span("meanwhile")
            meanwhile.end()
        wait_until(lambda: exporters_with_queue(stack) == {"otlp_http/metrics", "otlp_grpc/traces"})
        stack.start_metrics_store()
        stack.start_trace_store()

        new = format_trace_id(meanwhile.get_span_context().trace_id)
        wait_until(lambda: len(stack.trace(new)) == 1)
        wait_until(lambda: bool(stack.query('job_submissions_total{service_name="meanwhile"}')))
        assert stack.query('last_over_time(job_submissions_total{service_name="before"}[10m])')
        assert len(stack.trace(old)) == 1


def exporters_with_queue(stack: Stack) -> set[str]:
    """The collector's exporters whose queue is not empty."""
    received = httpx.get(f"{stack.collector_metrics}/metrics").text
    queues = re.findall(r'^otelcol_exporter_queue_size\{.*?exporter="([^"]+)".*\} (\S+)$', received, re.MULTILINE)
    return {exporter for exporter, size in queues if float(size) > 0}
