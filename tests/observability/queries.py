"""All queries of the dashboards and all alerting rules, for tests."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import yaml

from tests.programs import ROOT

DASHBOARDS = ROOT / "observability/grafana/dashboards"
ALERTS = ROOT / "observability/alerts"


class Query(NamedTuple):
    dashboard: str
    panel: str
    expression: str


class Search(NamedTuple):
    """The search for traces that a panel links to, and the expression of its first series."""

    dashboard: str
    panel: str
    title: str
    query: dict[str, Any]
    expression: str


class Rule(NamedTuple):
    """A recording rule, or an alert with its labels and annotations."""

    group: str
    name: str
    expression: str
    is_alert: bool
    details: dict[str, Any]


def dashboards() -> list[dict[str, Any]]:
    """The dashboards' JSON files."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(DASHBOARDS.glob("*.json"))]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels without row headings."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def every_query(rate_interval: str = "1m") -> list[Query]:
    """All panel queries, with the given rate interval."""
    return [
        Query(board["title"], panel["title"], target["expr"].replace("$__rate_interval", rate_interval))
        for board in dashboards()
        for panel in panels(board)
        for target in panel["targets"]
    ]


def every_search(rate_interval: str = "1m") -> list[Search]:
    """The searches of all panels that link to traces."""
    return [
        Search(
            board["title"],
            panel["title"],
            link["title"],
            json.loads(parse_qs(urlsplit(link["url"]).query)["panes"][0])["traces"]["queries"][0],
            panel["targets"][0]["expr"].replace("$__rate_interval", rate_interval),
        )
        for board in dashboards()
        for panel in panels(board)
        for link in panel["fieldConfig"]["defaults"].get("links", [])
    ]


def every_annotation() -> list[Query]:
    """The annotation queries, which are empty unless a load test runs or an alert fires."""
    return [
        Query(board["title"], annotation["name"], annotation["expr"])
        for board in dashboards()
        for annotation in board["annotations"]["list"]
    ]


def every_rule() -> list[Rule]:
    """All rules in file order."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(ALERTS.glob("*.yml"))]
    return [
        Rule(group["name"], rule.get("alert") or rule["record"], rule["expr"], "alert" in rule, rule)
        for file in files
        for group in file["groups"]
        for rule in group["rules"]
    ]
