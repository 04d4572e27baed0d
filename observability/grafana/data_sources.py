"""The uids of the data sources that Grafana is provisioned with."""

from __future__ import annotations

METRICS = "victoriametrics"
TRACES = "jaeger"
