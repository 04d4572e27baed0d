"""Panels of all dashboards: required properties, and queries of documented metrics only."""

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
from tests.observability import documented_metrics, queries
from tests.observability.promql import grouped_by, selectors

if TYPE_CHECKING:
    from pathlib import Path

BOARDS = {board["uid"]: board for board in queries.dashboards()}
PANELS = {
    f"{uid}: {panel['id']} {panel['title']}": panel for uid, board in BOARDS.items() for panel in queries.panels(board)
}
EVERY_PANEL = pytest.mark.parametrize("panel", PANELS.values(), ids=PANELS)

# A metric of vmalert.
ALERTS = "ALERTS"

# Burn rates use the same windows as the alerts.
BURN_WINDOWS = {"1h", "5m"}

BOUNDS = {"_seconds_bucket": SECONDS, "_milliseconds_bucket": MILLISECONDS}


def expressions(panel: dict[str, Any]) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def links(panel: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = panel["fieldConfig"]["defaults"].get("links", [])
    return found


def test_dashboards_that_other_files_link_to_exist() -> None:
    assert BOARDS.keys() == {"prime-generator", "jobs-and-queue", "workers", "load-test"}
    assert BOARDS["prime-generator"]["title"] == "Prime Generator Dashboard"


@EVERY_PANEL
def test_a_panel_has_title_description_unit_and_targets(panel: dict[str, Any]) -> None:
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
def test_panels_have_unique_ids_and_titles_and_do_not_overlap(board: dict[str, Any]) -> None:
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


@EVERY_PANEL
def test_a_query_uses_documented_metrics_and_labels(panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        used = selectors(expression)
        assert used
        for selector in used:
            if selector.name == ALERTS:
                continue
            assert selector.name in documented_metrics.metrics(), expression
            labels = documented_metrics.metrics()[selector.name].labels | {"le", "service_instance_id"}
            assert selector.labels.keys() <= labels, expression
            if "le" in selector.labels:
                (bounds,) = (bounds for ending, bounds in BOUNDS.items() if selector.name.endswith(ending))
                assert float(selector.labels["le"]) in bounds, expression


@EVERY_PANEL
def test_results_are_grouped_by_documented_labels(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        names = [selector.name for selector in selectors(target["expr"]) if selector.name != ALERTS]
        received = {label for name in names for label in documented_metrics.metrics()[name].labels}
        grouped = grouped_by(target["expr"])
        assert grouped <= received | {"le", "service_instance_id"}
        assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= grouped


@EVERY_PANEL
def test_cumulative_metrics_are_queried_as_a_rate(panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        for name, functions, _, window in selectors(expression):
            if name == ALERTS:
                continue
            if documented_metrics.metrics()[name].is_cumulative:
                assert functions[0] in {"rate", "increase"}, expression
                allowed = BURN_WINDOWS if "burn" in panel["title"].lower() else {"$__rate_interval"}
                assert window in allowed, expression
            else:
                assert not {"rate", "increase"} & set(functions), expression
                assert window in {"", "45s"}, expression


@EVERY_PANEL
def test_metrics_of_the_store_are_not_summed_over_processes(panel: dict[str, Any]) -> None:
    for expression in expressions(panel):
        for name, functions, _, _ in selectors(expression):
            if name == ALERTS or name.startswith("otelcol_"):
                continue
            outside = next(function for function in functions if function in {"sum", "max"})
            assert outside == ("max" if documented_metrics.metrics()[name].from_store else "sum"), expression


def test_a_counter_of_the_store_is_taken_once_per_series() -> None:
    """Otherwise max would merge several series into the largest one."""
    for query in queries.every_query():
        for selector in selectors(query.expression):
            metric = documented_metrics.metrics().get(selector.name)
            if metric is None or not (metric.from_store and metric.kind == "counter"):
                continue
            by = r" by \(" + ", ".join(r"\w+" for _ in metric.labels) + r"\)" if metric.labels else ""
            assert re.search(rf"max{by} \((?:rate|increase)\({selector.name}", query.expression), query


def test_every_documented_metric_is_on_a_dashboard() -> None:
    used = {selector.name for query in queries.every_query() for selector in selectors(query.expression)}
    unused = {metric.name for metric in documented_metrics.metrics().values() if not metric.series & used}
    assert unused <= documented_metrics.COLLECTOR_COUNTERS


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_a_dashboard_links_to_the_others_and_keeps_the_time_range(board: dict[str, Any]) -> None:
    (link,) = board["links"]
    assert link["type"] == "dashboards"
    assert link["keepTime"]
    assert link["tags"] == board["tags"]


@EVERY_PANEL
def test_a_panel_links_to_matching_traces(panel: dict[str, Any]) -> None:
    """Except panels about the collector and alerts, which have no traces."""
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
    grouped = set.intersection(*(grouped_by(expression) for expression in expressions(panel)))
    assert set(re.findall(r"\$\{__field\.labels\.(\w+)\}", panes + link["title"])) <= grouped


def test_the_heatmap_shows_the_fine_buckets() -> None:
    (heatmap,) = (panel for panel in PANELS.values() if panel["type"] == "heatmap")
    (target,) = heatmap["targets"]
    assert "prime_task_duration_milliseconds_bucket" in target["expr"]
    assert target["format"] == "heatmap"
    assert target["legendFormat"] == "{{le}}"
    assert heatmap["options"]["calculate"] is False


@pytest.mark.parametrize("board", BOARDS.values(), ids=BOARDS)
def test_load_test_runs_and_alerts_are_annotated(board: dict[str, Any]) -> None:
    annotations = board["annotations"]["list"]
    assert {selector.name for annotation in annotations for selector in selectors(annotation["expr"])} == {
        "loadtest_users",
        ALERTS,
    }
    assert all(annotation["datasource"]["uid"] == "victoriametrics" for annotation in annotations)
    assert all(annotation["enable"] for annotation in annotations)


def test_every_query_is_valid(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; the Debian package prometheus contains it")
    every_query = [*queries.every_query(), *queries.every_annotation()]
    rules = [{"record": f"query:{i}", "expr": query.expression} for i, query in enumerate(every_query)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    result = subprocess.run([promtool, "check", "rules", file], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr
