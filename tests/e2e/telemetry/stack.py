"""Collector, VictoriaMetrics and Jaeger as plain processes on free ports, with the deployed configuration.

    with telemetry_stack(folder) as stack:
        ...  # send to stack.otlp_endpoint
        wait_until(lambda: stack.query("job_submissions_total"))

`stack.vmalert()` also evaluates alerts. Flags come from docker-compose.yml and configuration from observability/; only
addresses and folders differ.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from tests.e2e.telemetry.binaries import program
from tests.e2e.telemetry.deployed import SERVICES, arguments
from tests.programs import free_port, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Program

_HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Series:
    """One series of a query result: labels, and points of time (seconds) and value, the oldest first."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def value(self) -> float:
        """The newest value."""
        return self.points[-1][1]


class Stack:
    """The running programs. Addresses have no trailing slash."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.otlp_endpoint = _free_address()
        self.otlp_grpc_endpoint = _free_address()
        self.metrics_url = _free_address()
        self.traces_url = _free_address()
        # Reachable while `vmalert` runs.
        self.vmalert_url = _free_address()
        self.collector_health = _free_address()
        self.collector_metrics = _free_address()
        self.jaeger_otlp = _free_address()
        self.jaeger_health = _free_address()
        self.jaeger_metrics = _free_address()
        self._metrics_store = ExitStack()
        self._trace_store = ExitStack()

    def query(self, promql: str, at: float | None = None) -> list[Series]:
        """The result of an expression now or at a time in seconds, including the newest points."""
        parameters = {"query": promql, "latency_offset": "1ms"} | ({} if at is None else {"time": str(at)})
        return [Series(found["metric"], _points([found["value"]])) for found in self._query("query", parameters)]

    def query_range(self, promql: str, start: float, end: float, step: float = 10) -> list[Series]:
        """The results of an expression over a time range, as a dashboard queries it."""
        parameters = {
            "query": promql,
            "start": str(start),
            "end": str(end),
            "step": f"{step}s",
            "latency_offset": "1ms",
        }
        return [Series(found["metric"], _points(found["values"])) for found in self._query("query_range", parameters)]

    def series_count(self, selector: str = '{__name__!=""}') -> int:
        """The number of series with a point in the last five minutes."""
        return sum(int(found.value) for found in self.query(f"count(last_over_time({selector}[5m]))"))

    def trace(self, trace_id: str) -> list[dict[str, Any]]:
        """The spans of a trace in Jaeger's JSON; empty until it arrives."""
        response = httpx.get(f"{self.traces_url}/api/traces/{trace_id}", timeout=10)
        if response.status_code == httpx.codes.NOT_FOUND:
            return []
        spans: list[dict[str, Any]] = response.raise_for_status().json()["data"][0]["spans"]
        return spans

    @contextmanager
    def vmalert(self, rules: Path | None = None, interval: str | None = None) -> Iterator[Program]:
        """Evaluate the deployed rules or those of a folder, and write the results into the metrics store."""
        overrides: dict[str, str] = {
            "datasource__url": self.metrics_url,
            "remoteWrite__url": self.metrics_url,
            "remoteRead__url": self.metrics_url,
            "httpListenAddr": _host_and_port(self.vmalert_url),
        }
        if rules is not None:
            overrides["rule"] = f"{rules}/*.yml"
        if interval is not None:
            overrides["evaluationInterval"] = interval
        command = [program("vmalert"), *arguments("vmalert", **overrides)]
        with running(command, self.folder, lambda: _responds(f"{self.vmalert_url}/health")) as vmalert:
            yield vmalert

    def start_metrics_store(self) -> None:
        """Start VictoriaMetrics with its existing data."""
        overrides = {"storageDataPath": f"{self.folder}/metrics", "httpListenAddr": _host_and_port(self.metrics_url)}
        # Addresses for its scrape configuration.
        environment = {
            "COLLECTOR_METRICS": _host_and_port(self.collector_metrics),
            "VICTORIA_METRICS": _host_and_port(self.metrics_url),
            "VMALERT": _host_and_port(self.vmalert_url),
            "JAEGER_METRICS": _host_and_port(self.jaeger_metrics),
        }
        assert environment.keys() == SERVICES["victoria-metrics"]["environment"].keys()
        command = [program("victoria-metrics"), *arguments("victoria-metrics", **overrides)]
        health = f"{self.metrics_url}/health"
        self._metrics_store.enter_context(running(command, self.folder, lambda: _responds(health), **environment))

    def stop_metrics_store(self) -> None:
        """Stop VictoriaMetrics. Acknowledged data is on disk afterwards."""
        self._metrics_store.close()

    def start_trace_store(self) -> None:
        """Start Jaeger with its existing data."""
        environment = {
            "JAEGER_DATA": f"{self.folder}/traces",
            "JAEGER_HTTP": _host_and_port(self.traces_url),
            "JAEGER_GRPC": _host_and_port(_free_address()),
            "JAEGER_OTLP": _host_and_port(self.jaeger_otlp),
            "JAEGER_HEALTH": _host_and_port(self.jaeger_health),
            "JAEGER_METRICS_HOST": _HOST,
            "JAEGER_METRICS_PORT": _port(self.jaeger_metrics),
        }
        command = [program("jaeger"), *arguments("jaeger")]
        health = f"{self.jaeger_health}/status"
        self._trace_store.enter_context(running(command, self.folder, lambda: _responds(health), **environment))

    def stop_trace_store(self) -> None:
        """Stop Jaeger."""
        self._trace_store.close()

    def _query(self, endpoint: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
        response = httpx.post(f"{self.metrics_url}/api/v1/{endpoint}", data=parameters, timeout=30)
        assert response.is_success, f"{parameters['query']}: {response.text}"
        found: list[dict[str, Any]] = response.json()["data"]["result"]
        return found


@contextmanager
def telemetry_stack(folder: Path) -> Iterator[Stack]:
    """Run all three programs, ready when the block starts. Data and output are in the folder."""
    stack = Stack(folder)
    with ExitStack() as programs:
        programs.callback(stack.stop_metrics_store)
        stack.start_metrics_store()
        programs.callback(stack.stop_trace_store)
        stack.start_trace_store()
        programs.enter_context(_collector(stack))
        yield stack


@contextmanager
def _collector(stack: Stack) -> Iterator[Program]:
    environment = {
        "COLLECTOR_OTLP_HTTP": _host_and_port(stack.otlp_endpoint),
        "COLLECTOR_OTLP_GRPC": _host_and_port(stack.otlp_grpc_endpoint),
        "COLLECTOR_HEALTH": _host_and_port(stack.collector_health),
        "COLLECTOR_METRICS_HOST": _HOST,
        "COLLECTOR_METRICS_PORT": _port(stack.collector_metrics),
        "METRICS_URL": stack.metrics_url,
        "TRACES_ENDPOINT": _host_and_port(stack.jaeger_otlp),
    }
    command = [program("collector"), *arguments("otel-collector")]
    with running(command, stack.folder, lambda: _responds(stack.collector_health), **environment) as collector:
        yield collector


def _responds(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).is_success
    except httpx.TransportError:
        return False


def _points(points: list[list[Any]]) -> list[tuple[float, float]]:
    return [(float(time), float(value)) for time, value in points]


def _free_address() -> str:
    return f"http://{_HOST}:{free_port()}"


def _host_and_port(address: str) -> str:
    return address.removeprefix("http://")


def _port(address: str) -> str:
    return address.rpartition(":")[2]
