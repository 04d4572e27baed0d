"""Every query of every dashboard, and every way from there to traces, tried on stores that watch a busy system."""

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

from tests.e2e.telemetry import watched
from tests.e2e.telemetry.stack import telemetry_stack
from tests.observability.queries import every_query, every_search
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.telemetry.stack import Stack
    from tests.observability.queries import Query, Search

RATE_INTERVAL = "30s"

# There need not be any: nothing was broken, and the machine may have been fast.
OF_TROUBLE = {
    "Requests that broke",
    "Jobs that failed",
    "Jobs that failed for this reason",
    "Jobs that were late",
    "Attempts lost",
    "Tasks that failed",
}


_PASSED_ON = {"service", "operation", "minDuration", "limit"}


@dataclass(frozen=True, slots=True)
class Busy:
    """A stack after people were at the system that it watches, and which queries had no data all the while."""

    stack: Stack
    begun: float
    empty: list[Query]
    output: str


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Busy]:
    """With the load test running, as all four dashboards are meant for; and nothing else that could fill a panel."""
    folder, begun = tmp_path_factory.mktemp("panels"), time.time()
    with telemetry_stack(folder / "stack") as stack, watched.watched_system(stack, folder) as url:
        watched.load(url, turns=15)
        arguments = ["light", "--host", url, "--users", "12", "--run-time", "45s", "--report", str(folder / "report")]
        command = [sys.executable, "-m", "loadtest", *arguments]
        environment = os.environ | watched.telling(stack)
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as people:
            empty = every_query(RATE_INTERVAL)
            assert len(empty) > 100
            while empty and people.poll() is None:
                empty = [query for query in empty if not has_data(stack, query.expression)]
            output, _ = people.communicate(timeout=90)
        yield Busy(stack, begun, empty, output)


def test_every_panel_has_data_while_people_are_at_it(busy: Busy) -> None:
    assert busy.empty == []
    assert " jobs in " in busy.output, busy.output
    # How fast people were served is for a machine of their own to tell.
    broken = [line for line in busy.output.splitlines() if line.startswith("FAIL") and "p95" not in line]
    assert broken == [], busy.output


def has_data(stack: Stack, expression: str) -> bool:
    points = [value for series in stack.query(expression) for _, value in series.points]
    return any(not math.isnan(value) for value in points)


def test_a_click_on_a_panel_finds_traces(busy: Busy) -> None:
    """The search that Grafana would open for one of the series shown, the labels of that series filled in."""
    searches = every_search(RATE_INTERVAL)
    assert len(searches) > 40
    fruitless = searches

    def none_is_left() -> bool:
        nonlocal fruitless
        fruitless = [search for search in fruitless if not finds(busy, search) and search.title not in OF_TROUBLE]
        return not fruitless

    wait_until(none_is_left, 30, lambda: "\n".join(map(str, fruitless)))
    assert not traces(busy, {"service": "primes-api", "operation": "of nobody"})


def finds(busy: Busy, search: Search) -> bool:
    """Whether it leads to traces from at least one of the series that its panel shows, or has shown."""
    window = f"{math.ceil(time.time() - busy.begun)}s:5s"
    shown = [series.labels for series in busy.stack.query(f"last_over_time(({search.expression})[{window}])")]
    return any(traces(busy, filled(search.query, labels)) for labels in shown)


def filled(query: dict[str, Any], labels: dict[str, str]) -> dict[str, str]:
    return {
        key: re.sub(r"\$\{__field\.labels\.(\w+)\}", lambda found: labels.get(found[1], ""), str(value))
        for key, value in query.items()
    }


def traces(busy: Busy, query: dict[str, str]) -> list[Any]:
    """As Grafana's data source asks Jaeger."""
    asked: dict[str, str] = {name: value for name, value in query.items() if name in _PASSED_ON}
    if "tags" in query:
        asked["tags"] = json.dumps(dict(tag.split("=", 1) for tag in query["tags"].split(" ")))
    microseconds = {"start": str(int(busy.begun * 1e6)), "end": str(int(time.time() * 1e6))}
    answer = httpx.get(f"{busy.stack.traces_url}/api/traces", params=asked | microseconds, timeout=30)
    found: list[Any] = answer.raise_for_status().json()["data"]
    return found
