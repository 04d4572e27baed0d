"""Annotations on the time axis of every dashboard: load test runs and alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from observability.grafana import data_sources, queries


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks the times at which a query has values."""

    name: str
    expression: str
    title: str
    colour: str

    def to_json(self) -> dict[str, Any]:
        """The annotation in Grafana's JSON model."""
        return {
            "name": self.name,
            "datasource": {"type": "prometheus", "uid": data_sources.METRICS},
            "enable": True,
            "hide": False,
            "iconColor": self.colour,
            "expr": self.expression,
            "step": "10s",
            "titleFormat": self.title,
        }


ANNOTATIONS = (
    Annotation(
        "Load test",
        f"{queries.gauge_sum('loadtest_users', 'loadtest_scenario')} > 0",
        "Load test: {{loadtest_scenario}}",
        "blue",
    ),
    Annotation("Alerts", 'ALERTS{alertstate="firing"}', "{{alertname}}", "red"),
)
