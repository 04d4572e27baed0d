"""The load test's metrics match docs/observability.md: names, units, attributes, buckets."""

from __future__ import annotations

import re
from typing import Any

import pytest
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from loadtest import telemetry
from loadtest.measurements import Violation
from loadtest.telemetry import SECONDS, Telemetry, exporting_reader
from observability.telemetry import _SHUTDOWN_SECONDS
from tests.collectors import bad_collector
from tests.programs import ROOT
from tests.stopwatch import Stopwatch

DOCUMENT = (ROOT / "docs/observability.md").read_text(encoding="utf-8")


def exported() -> tuple[dict[str, Any], dict[str, str]]:
    """Metrics by name after one measurement of each kind, and the resource attributes."""
    reader = InMemoryMetricReader()
    telemetry = Telemetry(reader, lambda: 7, lambda: "light")
    telemetry.record_request("POST", "GraphQL generatePrimes", 5.0)
    telemetry.record_request("WS", "WS jobUpdates", 7.0, ValueError("broken"), response_length=0)
    telemetry.record_request("JOB", "small", 40.0)
    telemetry.record_request("JOB", "small", 90_000.0, ValueError("FAILED"))
    telemetry.record_request("LAG", "final event", 2.0)
    telemetry.record_request("VIOLATION", Violation.LOST_FINAL, None, ValueError("over WS"))
    data: Any = reader.get_metrics_data()
    telemetry.shutdown()
    (of_resource,) = data.resource_metrics
    metrics = {metric.name: metric for scope in of_resource.scope_metrics for metric in scope.metrics}
    return metrics, dict(of_resource.resource.attributes)


def test_exported_metrics_are_exactly_the_documented_ones() -> None:
    rows = re.findall(r"^\| `(loadtest\.[a-z.]+)` \| \w+, ([^ |:]+)[^|]*\| ([^|]*)\|", DOCUMENT, re.MULTILINE)
    documented = {name: (unit, frozenset(re.findall(r"`([a-z.]+)`", attributes))) for name, unit, attributes in rows}
    metrics, _ = exported()
    assert documented
    assert documented == {
        name: (metric.unit, frozenset().union(*(point.attributes for point in metric.data.data_points)))
        for name, metric in metrics.items()
    }


def test_values_are_in_seconds_and_failed_jobs_have_no_latency() -> None:
    metrics, _ = exported()
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


def test_buckets_are_the_documented_ones() -> None:
    documented = re.search(r"SEC is ([\d. ]+)\s*seconds", DOCUMENT)
    assert documented is not None
    assert tuple(float(bound) for bound in documented[1].split()) == SECONDS
    metrics, _ = exported()
    for name in ("loadtest.request.duration", "loadtest.job.duration", "loadtest.event.lag"):
        (first, *_) = metrics[name].data.data_points
        assert tuple(first.explicit_bounds) == SECONDS


def test_each_process_has_its_own_instance_id() -> None:
    _, one = exported()
    _, other = exported()
    assert one["service.name"] == other["service.name"] == "primes-loadtest"
    assert one["service.instance.id"] != other["service.instance.id"]


def test_without_an_endpoint_nothing_is_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    assert exporting_reader() is None
    telemetry = Telemetry(None, lambda: 0, str)
    telemetry.record_request("JOB", "small", 40.0)
    telemetry.shutdown()


@pytest.mark.parametrize("kind", ["silent", "down", "slow body"])
def test_end_of_a_run_waits_a_fixed_time_for_a_collector_that_does_not_respond(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr(telemetry, "_SHUTDOWN_MS", 50)
    with bad_collector(kind) as endpoint:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        exporting = Telemetry(exporting_reader(), lambda: 7, lambda: "light")
        exporting.record_request("JOB", "small", 40.0)
        with Stopwatch() as stopwatch:
            exporting.shutdown()
    assert stopwatch.seconds < 1


def test_end_of_a_run_waits_no_longer_than_other_processes() -> None:
    assert telemetry._SHUTDOWN_MS / 1_000 == _SHUTDOWN_SECONDS  # noqa: SLF001 - the load test imports nothing of ours
