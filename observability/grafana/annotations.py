"""What is marked on every dashboard's time axis: runs of the load test, and alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from observability.grafana import data_sources, queries


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation: where its query has values, from the first to the last of them."""

    name: str
    expression: str
    title: str
    colour: str

    def annotation(self) -> dict[str, Any]:
        """As Grafana reads it."""
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
