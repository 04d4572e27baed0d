"""Alerts fire when they should and only then, query documented metrics, and link to the runbook."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from observability.grafana import objectives
from tests.observability import documented_metrics
from tests.observability.promql import selectors
from tests.observability.queries import ALERTS, every_rule
from tests.programs import ROOT

RULES = every_rule()
RECORDED = {rule.name: rule.expression for rule in RULES if not rule.is_alert}
ALERTING = {rule.name: rule for rule in RULES if rule.is_alert}
FILES = sorted(path.name for path in ALERTS.glob("*.yml"))
UNIT_TESTS = sorted((ALERTS / "tests").glob("*.yml"))


def promtool(*arguments: str) -> None:
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("promtool is not installed; the Debian package prometheus contains it")
    result = subprocess.run([program, *arguments], cwd=ALERTS, capture_output=True, text=True, check=False, timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("file", FILES)
def test_rules_are_valid(file: str) -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", file)


@pytest.mark.parametrize("file", FILES)
def test_alerts_fire_when_they_should(file: str) -> None:
    promtool("test", "rules", f"tests/{file}")


def test_every_alert_is_tested_firing_and_not_firing() -> None:
    expected: dict[str, set[bool]] = {}
    for path in UNIT_TESTS:
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            for case in test["alert_rule_test"]:
                expected.setdefault(case["alertname"], set()).add(bool(case["exp_alerts"]))
    assert expected == {name: {True, False} for name in ALERTING}


def test_every_rule_file_has_a_test_file() -> None:
    assert [path.name for path in UNIT_TESTS] == FILES


def test_rule_names_are_unique() -> None:
    assert len(RECORDED) + len(ALERTING) == len(RULES)


@pytest.mark.parametrize("name", ALERTING)
def test_an_alert_has_severity_description_and_runbook_section(name: str) -> None:
    details = ALERTING[name].details
    assert details["labels"]["severity"] in {"warning", "critical"}
    assert details["annotations"].keys() == {"summary", "description", "runbook"}
    assert "$value" in details["annotations"]["description"]
    page, _, anchor = details["annotations"]["runbook"].partition("#")
    sections = runbook_sections()
    assert page == "docs/runbook.md"
    assert anchor in sections
    assert name in sections[anchor]


def test_every_runbook_section_belongs_to_an_alert() -> None:
    anchors = {rule.details["annotations"]["runbook"].partition("#")[2] for rule in ALERTING.values()}
    assert runbook_sections().keys() == anchors


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_queries_documented_metrics(rule: Any) -> None:
    used = selectors(rule.expression)
    assert used
    for name, functions, labels, _ in used:
        if name in RECORDED:
            continue
        metric = documented_metrics.metrics()[name]
        assert labels.keys() <= metric.labels | {"le"}
        if metric.is_cumulative:
            assert {"rate", "increase", "count_over_time"} & set(functions)
        if metric.from_store and "absent_over_time" not in functions:
            assert next(function for function in functions if function in {"sum", "max"}) == "max"


def test_recording_rules_are_named_level_metric_operation() -> None:
    assert [
        name for name in RECORDED if not re.fullmatch(r"(job|request):\w+:(ratio_rate|increase)(5m|30m|1h|6h)", name)
    ] == []


@pytest.mark.parametrize("window", ["5m", "30m", "1h", "6h"])
def test_alerts_and_dashboards_use_the_same_expressions(window: str) -> None:
    measured = {
        f"job:failed:ratio_rate{window}": objectives.failed_share(window),
        f"job:late:ratio_rate{window}": f"1 - {objectives.on_time_share(window)}",
        f"request:failed:ratio_rate{window}": objectives.error_share(window),
    }
    assert {name: without_whitespace(RECORDED[name]) for name in measured} == {
        name: without_whitespace(expression) for name, expression in measured.items()
    }


def test_alerts_and_dashboards_use_the_same_burn_rates() -> None:
    for name, rule in ALERTING.items():
        if rule.group == "objectives":
            burn = objectives.FAST_BURN if name.endswith("Fast") else objectives.SLOW_BURN
            assert rule.expression.count(f"> {burn:g} * {objectives.BUDGET:g}") == 2, name


def runbook_sections() -> dict[str, str]:
    """The text of each section, by its anchor as GitHub makes it."""
    text = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    return {title.lower().replace(" ", "-"): body for title, body in zip(parts[::2], parts[1::2], strict=True)}


def without_whitespace(expression: str) -> str:
    return "".join(expression.split())
