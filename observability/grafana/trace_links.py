"""The way from a panel to traces: a search in Explore, filled in with what the clicked series is about.

The metrics store keeps no exemplars, so a point can't name its trace; service, operation,
attributes and the time shown can.
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

# Grafana's own variables, for it to fill in; all else is quoted.
_VARIABLE = re.compile(r"(\$\{[^}]+\})")


@dataclass(frozen=True, slots=True)
class Traces:
    """A search for traces. Values may hold Grafana's variables, such as ${__field.labels.job_queue}."""

    title: str
    service: str
    operation: str = ""
    tags: str = ""
    longer_than: str = ""

    def link(self) -> DashboardLink:
        """To the search, over the time that the dashboard shows."""
        query = {
            "refId": "A",
            "datasource": {"type": "jaeger", "uid": data_sources.TRACES},
            "queryType": "search",
            "service": self.service,
            "operation": self.operation,
            "tags": self.tags,
            "minDuration": self.longer_than,
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
    """The value of a label of the clicked series."""
    return f"${{__field.labels.{name}}}"


# Those that several panels lead to
REQUESTS = Traces("Requests", API)
BROKEN_REQUESTS = Traces("Requests that broke", API, tags="error=true")
BY_ROUTE = Traces(
    "Requests to ${__field.labels.http_route}",
    API,
    tags=f"http.route={label('http_route')} http.request.method={label('http_request_method')}",
)
BY_ROOT_FIELD = Traces(
    "Operations of ${__field.labels.graphql_root_field}",
    API,
    operation=f"{label('graphql_operation_type')} {label('graphql_root_field')}",
)
DELIVERIES = Traces("Deliveries to subscribers", API, operation="deliver")
JOBS = Traces("Jobs", WORKER, operation="job")
SLOW_JOBS = Traces("Jobs that were late", WORKER, operation="job", longer_than="250ms")
FAILED_JOBS = Traces("Jobs that failed", WORKER, operation="job", tags="job.status=FAILED")
LOST_ATTEMPTS = Traces("Attempts lost", WORKER, operation="attempt lost")
TASKS = Traces("Tasks", WORKER)
BY_QUEUE = Traces("Tasks of this queue", WORKER, operation=f"process {label('job_queue')}")
BY_DESTINATION = Traces("Tasks of this queue", WORKER, operation=f"process {label('messaging_destination_name')}")
COMPUTATIONS = Traces("Computations", WORKER, operation="compute")
