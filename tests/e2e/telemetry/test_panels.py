"""Every query of every dashboard, and every link to traces, against the telemetry of a busy system."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.telemetry import monitored_system
from tests.e2e.telemetry.stack import telemetry_stack
from tests.observability.queries import every_query, every_search
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.telemetry.stack import Stack
    from tests.observability.queries import Query, Search

RATE_INTERVAL = "30s"

# A healthy and fast system need not have any of these traces.
FAULT_SEARCHES = {
    "Failed requests",
    "Failed jobs",
    "Jobs that failed for this reason",
    "Late jobs",
    "Lost attempts",
    "Failed tasks",
}


_JAEGER_PARAMETERS = {"service", "operation", "minDuration", "limit"}


@dataclass(frozen=True, slots=True)
class Busy:
    """A stack after a load test, and the queries that had no data during it."""

    stack: Stack
    started: float
    empty: list[Query]
    output: str


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    """Queried while the load test runs, which is the only source of data."""
    folder, started = tmp_path_factory.mktemp("panels"), time.time()
    with telemetry_stack(folder / "stack") as stack, monitored_system.monitored_system(stack, folder) as url:
        monitored_system.run_load(url, turns=15)
        arguments = ["light", "--host", url, "--users", "12", "--run-time", "45s", "--report", str(folder / "report")]
        command = [sys.executable, "-m", "loadtest", *arguments]
        environment = os.environ | monitored_system.telemetry_environment(stack)
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as load_test:
            empty = every_query(RATE_INTERVAL)
            assert len(empty) > 100
            while empty and load_test.poll() is None:
                empty = [query for query in empty if not has_data(stack, query.expression)]
            output, _ = load_test.communicate(timeout=90)
        yield Busy(stack, started, empty, output)


def test_every_panel_has_data_during_a_load_test(busy: Busy) -> None:
    assert busy.empty == []
    assert " jobs in " in busy.output, busy.output
    # Latency depends on this machine, so p95 is not checked.
    failed = [line for line in busy.output.splitlines() if line.startswith("FAIL") and "p95" not in line]
    assert failed == [], busy.output


def has_data(stack: Stack, expression: str) -> bool:
    points = [value for series in stack.query(expression) for _, value in series.points]
    return any(not math.isnan(value) for value in points)


def test_links_of_panels_find_traces(busy: Busy) -> None:
    """Runs the search that Grafana opens, with the labels of one of the panel's series."""
    searches = every_search(RATE_INTERVAL)
    assert len(searches) > 40
    without_traces = [search for search in searches if search.title not in FAULT_SEARCHES]

    def all_have_traces() -> bool:
        nonlocal without_traces
        without_traces = [search for search in without_traces if not has_traces(busy, search)]
        return not without_traces

    wait_until(all_have_traces, explain=lambda: "\n".join(map(str, without_traces)))
    assert not traces(busy, {"service": "primes-api", "operation": "unknown"})


def has_traces(busy: Busy, search: Search) -> bool:
    """Whether the search finds traces for at least one series of the panel in the time of the test."""
    window = f"{math.ceil(time.time() - busy.started)}s:5s"
    series_labels = [series.labels for series in busy.stack.query(f"last_over_time(({search.expression})[{window}])")]
    return any(traces(busy, filled(search.query, labels)) for labels in series_labels)


def filled(query: dict[str, Any], labels: dict[str, str]) -> dict[str, str]:
    return {
        key: re.sub(r"\$\{__field\.labels\.(\w+)\}", lambda found: labels.get(found[1], ""), str(value))
        for key, value in query.items()
    }


def traces(busy: Busy, query: dict[str, str]) -> list[Any]:
    """The query that Grafana's data source sends to Jaeger."""
    parameters: dict[str, str] = {name: value for name, value in query.items() if name in _JAEGER_PARAMETERS}
    if "tags" in query:
        parameters["tags"] = json.dumps(dict(tag.split("=", 1) for tag in query["tags"].split(" ")))
    microseconds = {"start": str(int(busy.started * 1e6)), "end": str(int(time.time() * 1e6))}
    response = httpx.get(f"{busy.stack.traces_url}/api/traces", params=parameters | microseconds, timeout=30)
    found: list[Any] = response.raise_for_status().json()["data"]
    return found
