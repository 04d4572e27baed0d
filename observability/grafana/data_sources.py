"""The data sources that Grafana is provisioned with, by their uids."""

from __future__ import annotations

METRICS = "victoriametrics"
TRACES = "jaeger"
