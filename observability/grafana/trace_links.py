"""Links from panels to traces: a search in Grafana's Explore, filled with the labels of the clicked series.

VictoriaMetrics stores no exemplars, so a point cannot link to its trace. The search uses service, operation, attributes
and the time range instead.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink

from observability.grafana import data_sources

API = "primes-api"
WORKER = "primes-worker"

# Variables that Grafana replaces. Everything else is percent-encoded.
_VARIABLE = re.compile(r"(\$\{[^}]+\})")


@dataclass(frozen=True, slots=True)
class TraceSearch:
    """A search for traces. Values may hold Grafana's variables, such as ${__field.labels.job_queue}."""

    title: str
    service: str
    operation: str = ""
    tags: str = ""
    min_duration: str = ""

    def link(self) -> DashboardLink:
        """A data link to the search, over the dashboard's time range."""
        query = {
            "refId": "A",
            "datasource": {"type": "jaeger", "uid": data_sources.TRACES},
            "queryType": "search",
            "service": self.service,
            "operation": self.operation,
            "tags": self.tags,
            "minDuration": self.min_duration,
            "limit": 20,
        }
        pane = {
            "datasource": data_sources.TRACES,
            "queries": [{key: value for key, value in query.items() if value}],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
        parts = _VARIABLE.split(json.dumps({"traces": pane}, separators=(",", ":")))
        panes = "".join(part if _VARIABLE.fullmatch(part) else quote(part) for part in parts)
        return DashboardLink(self.title).url(f"/explore?schemaVersion=1&orgId=1&panes={panes}").target_blank(True)


def label(name: str) -> str:
    """Variable for a label of the clicked series."""
    return f"${{__field.labels.{name}}}"


# Searches that several panels link to
REQUESTS = TraceSearch("Requests", API)
FAILED_REQUESTS = TraceSearch("Failed requests", API, tags="error=true")
BY_ROUTE = TraceSearch(
    "Requests to ${__field.labels.http_route}",
    API,
    tags=f"http.route={label('http_route')} http.request.method={label('http_request_method')}",
)
BY_ROOT_FIELD = TraceSearch(
    "Operations of ${__field.labels.graphql_root_field}",
    API,
    operation=f"{label('graphql_operation_type')} {label('graphql_root_field')}",
)
DELIVERIES = TraceSearch("Deliveries to subscribers", API, operation="deliver")
JOBS = TraceSearch("Jobs", WORKER, operation="job")
LATE_JOBS = TraceSearch("Late jobs", WORKER, operation="job", min_duration="250ms")
FAILED_JOBS = TraceSearch("Failed jobs", WORKER, operation="job", tags="job.status=FAILED")
LOST_ATTEMPTS = TraceSearch("Lost attempts", WORKER, operation="attempt lost")
TASKS = TraceSearch("Tasks", WORKER)
BY_QUEUE = TraceSearch("Tasks of this queue", WORKER, operation=f"process {label('job_queue')}")
BY_DESTINATION = TraceSearch("Tasks of this queue", WORKER, operation=f"process {label('messaging_destination_name')}")
COMPUTATIONS = TraceSearch("Computations", WORKER, operation="compute")
