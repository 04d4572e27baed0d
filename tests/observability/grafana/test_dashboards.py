"""What each panel of each dashboard must have, and that it asks only for what docs/observability.md promises."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from observability.buckets import MILLISECONDS, SECONDS
from tests.observability import contract, queries
from tests.observability.promql import grouped_by, selectors

if TYPE_CHECKING:
    from pathlib import Path

BOARDS = {board["uid"]: board for board in queries.dashboards()}
PANELS = {
    f"{uid}: {panel['id']} {panel['title']}": panel for uid, board in BOARDS.items() for panel in queries.panels(board)
}
OF_THE_PANELS = pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)

# Told by vmalert itself.
ALERTS = "ALERTS"

# Burn rates look at the windows that the alerts look at.
BURN_WINDOWS = {"1h", "5m"}

BOUNDS = {"_seconds_bucket": SECONDS, "_milliseconds_bucket": MILLISECONDS}


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def links(panel: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = panel["fieldConfig"]["defaults"].get("links", [])
    return found


def test_there_are_the_dashboards_that_are_linked_to_from_elsewhere() -> None:
    assert BOARDS.keys() == {"prime-generator", "jobs-and-queue", "workers", "load-test"}
    assert BOARDS["prime-generator"]["title"] == "Prime Generator Dashboard"


@OF_THE_PANELS
def test_a_panel_says_what_it_shows_and_what_to_do(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert len(panel["description"]) > 40
    assert panel["description"][-1] in ".?"
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "victoriametrics"}
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["legendFormat"]
        assert target["datasource"] == panel["datasource"]
        assert target["range"]
    assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_panels_have_a_number_a_title_and_a_place_of_their_own(board: dict[str, Any]) -> None:
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    row = ""
    titles = []
    for panel in board["panels"]:
        row = panel["title"] if panel["type"] == "row" else row
        titles.append((row, panel["title"]))
    assert len(set(titles)) == len(titles)
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert place["x"] + place["w"] <= 24
        assert taken.isdisjoint(cells)
        taken |= cells


@OF_THE_PANELS
def test_a_query_asks_for_what_is_told(panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        used = selectors(expression)
        assert used
        for selector in used:
            if selector.name == ALERTS:
                continue
            assert selector.name in contract.metrics(), expression
            labels = contract.metrics()[selector.name].labels | {"le", "service_instance_id"}
            assert selector.labels.keys() <= labels, expression
            if "le" in selector.labels:
                (bounds,) = (bounds for ending, bounds in BOUNDS.items() if selector.name.endswith(ending))
                assert float(selector.labels["le"]) in bounds, expression


@OF_THE_PANELS
def test_results_are_kept_apart_by_labels_that_there_are(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        names = [selector.name for selector in selectors(target["expr"]) if selector.name != ALERTS]
        received = {label for name in names for label in contract.metrics()[name].labels}
        kept = grouped_by(target["expr"])
        assert kept <= received | {"le", "service_instance_id"}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


@OF_THE_PANELS
def test_what_only_rises_is_asked_for_as_a_rate(panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        for name, functions, _, window in selectors(expression):
            if name == ALERTS:
                continue
            if contract.metrics()[name].only_rises:
                assert functions[0] in {"rate", "increase"}, expression
                allowed = BURN_WINDOWS if "burn" in panel["title"].lower() else {"$__rate_interval"}
                assert window in allowed, expression
            else:
                assert not {"rate", "increase"} & set(functions), expression
                assert window in {"", "45s"}, expression


@OF_THE_PANELS
def test_what_every_api_process_tells_alike_is_not_added_up(panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        for name, functions, _, _ in selectors(expression):
            if name == ALERTS or name.startswith("otelcol_"):
                continue
            outside = next(function for function in functions if function in {"sum", "max"})
            assert outside == ("max" if contract.metrics()[name].told_by_store else "sum"), expression


def test_a_store_told_counter_is_taken_once_for_each_of_its_series() -> None:
    """Else max would take the largest of several series for all of them."""
    for query in queries.every_query():
        for selector in selectors(query.expression):
            metric = contract.metrics().get(selector.name)
            if metric is None or not (metric.told_by_store and metric.kind == "counter"):
                continue
            by = r" by \(" + ", ".join(r"\w+" for _ in metric.labels) + r"\)" if metric.labels else ""
            assert re.search(rf"max{by} \((?:rate|increase)\({selector.name}", query.expression), query


def test_every_metric_that_is_told_is_shown() -> None:
    shown = {selector.name for query in queries.every_query() for selector in selectors(query.expression)}
    hidden = {metric.name for metric in contract.metrics().values() if not metric.series & shown}
    assert hidden <= contract.COLLECTOR_COUNTERS


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_leads_to_the_others_and_keeps_the_time(board: dict[str, Any]) -> None:
    (link,) = board["links"]
    assert link["type"] == "dashboards"
    assert link["keepTime"]
    assert link["tags"] == board["tags"]


@OF_THE_PANELS
def test_a_panel_leads_to_traces_of_what_it_shows(panel: dict[str, Any]) -> None:
    """The collector and the alerts have no traces."""
    names = {selector.name for expression in expressions(panel) for selector in selectors(expression)}
    if all(name == ALERTS or name.startswith("otelcol_") for name in names):
        assert links(panel) == []
        return
    (link,) = links(panel)
    assert link["title"]
    address = urlsplit(link["url"])
    assert address.path == "/explore"
    (panes,) = parse_qs(address.query)["panes"]
    (pane,) = json.loads(panes).values()
    (query,) = pane["queries"]
    assert pane["datasource"] == query["datasource"]["uid"] == "jaeger"
    assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
    assert query["service"] in {"primes-api", "primes-worker"}
    kept = set.intersection(*(grouped_by(expression) for expression in expressions(panel)))
    assert set(re.findall(r"\$\{__field\.labels\.(\w+)\}", panes + link["title"])) <= kept


def test_the_heat_map_shows_the_fine_buckets() -> None:
    (heat_map,) = (panel for panel in PANELS.values() if panel["type"] == "heatmap")
    (target,) = heat_map["targets"]
    assert "prime_task_duration_milliseconds_bucket" in target["expr"]
    assert target["format"] == "heatmap"
    assert target["legendFormat"] == "{{le}}"
    assert heat_map["options"]["calculate"] is False


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_runs_of_the_load_test_and_alerts_are_marked(board: dict[str, Any]) -> None:
    marks = {mark["name"]: mark for mark in board["annotations"]["list"]}
    assert {selector.name for mark in marks.values() for selector in selectors(mark["expr"])} == {
        "loadtest_users",
        ALERTS,
    }
    assert all(mark["datasource"]["uid"] == "victoriametrics" and mark["enable"] for mark in marks.values())


def test_every_query_parses(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("there is no promtool here: Debian has it in its package prometheus")
    asked = [*queries.every_query(), *queries.every_annotation()]
    rules = [{"record": f"query:{i}", "expr": query.expression} for i, query in enumerate(asked)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    result = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
