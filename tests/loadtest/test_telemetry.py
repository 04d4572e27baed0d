"""What the load test tells is what docs/observability.md says: names, units, attributes, buckets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from loadtest.telemetry import SECONDS, Telemetry, exporting_reader
from loadtest.users.final_events import Violation
from tests.programs import ROOT

if TYPE_CHECKING:
    import pytest

DOCUMENT = (ROOT / "docs/observability.md").read_text(encoding="utf-8")


def received() -> tuple[dict[str, Any], dict[str, str]]:
    """All metrics after one of each thing has happened: the SDK's metrics by name, and the resource."""
    reader = InMemoryMetricReader()
    telemetry = Telemetry(reader, lambda: 7, lambda: "light")
    telemetry.request("POST", "GraphQL generatePrimes", 5.0)
    telemetry.request("WS", "WS jobUpdates", 7.0, ValueError("broken"), response_length=0)
    telemetry.request("JOB", "small", 40.0)
    telemetry.request("JOB", "small", 90_000.0, ValueError("FAILED"))
    telemetry.request("LAG", "final event", 2.0)
    telemetry.request("VIOLATION", Violation.LOST_FINAL, None, ValueError("over WS"))
    data: Any = reader.get_metrics_data()
    telemetry.shutdown()
    (of_resource,) = data.resource_metrics
    metrics = {metric.name: metric for scope in of_resource.scope_metrics for metric in scope.metrics}
    return metrics, dict(of_resource.resource.attributes)


def test_every_documented_metric_is_told_with_its_unit_and_attributes_and_no_other() -> None:
    rows = re.findall(r"^\| `(loadtest\.[a-z.]+)` \| \w+, ([^ |:]+)[^|]*\| ([^|]*)\|", DOCUMENT, re.MULTILINE)
    documented = {name: (unit, frozenset(re.findall(r"`([a-z.]+)`", attributes))) for name, unit, attributes in rows}
    metrics, _ = received()
    assert documented
    assert documented == {
        name: (metric.unit, frozenset().union(*(point.attributes for point in metric.data.data_points)))
        for name, metric in metrics.items()
    }


def test_values_are_seconds_and_a_job_that_failed_is_in_no_latency() -> None:
    metrics, _ = received()
    (job,) = metrics["loadtest.job.duration"].data.data_points
    assert (dict(job.attributes), job.count, job.sum) == ({"loadtest.size": "small"}, 1, 0.04)
    requests = {
        (point.attributes["loadtest.request"], point.attributes["loadtest.outcome"]): point.sum
        for point in metrics["loadtest.request.duration"].data.data_points
    }
    assert requests == {("GraphQL generatePrimes", "ok"): 0.005, ("WS jobUpdates", "failed"): 0.007}
    (violation,) = metrics["loadtest.violations"].data.data_points
    assert (dict(violation.attributes), violation.value) == ({"loadtest.violation": "lost_final"}, 1)
    (users,) = metrics["loadtest.users"].data.data_points
    assert (dict(users.attributes), users.value) == ({"loadtest.scenario": "light"}, 7)


def test_the_buckets_are_those_of_the_document() -> None:
    described = re.search(r"SEC is ([\d. ]+)\s*seconds", DOCUMENT)
    assert described is not None
    assert tuple(float(bound) for bound in described[1].split()) == SECONDS
    metrics, _ = received()
    for name in ("loadtest.request.duration", "loadtest.job.duration", "loadtest.event.lag"):
        (first, *_) = metrics[name].data.data_points
        assert tuple(first.explicit_bounds) == SECONDS


def test_each_process_is_an_instance_of_the_load_test() -> None:
    _, one = received()
    _, other = received()
    assert one["service.name"] == other["service.name"] == "primes-loadtest"
    assert one["service.instance.id"] != other["service.instance.id"]


def test_without_an_endpoint_nothing_is_started(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert exporting_reader() is None
    silent = Telemetry(None, lambda: 0, str)
    silent.request("JOB", "small", 40.0)
    silent.shutdown()
