"""The first dashboard to look at: are answers quick and right, and are primes coming?"""

from __future__ import annotations

from observability.grafana import objectives, trace_links
from observability.grafana.panels import Board, Graph, HeatMap, Levels, Number
from observability.grafana.queries import gauge_sum, or_zero, quantile, quantiles, rate, store_rate

_HTTP = "http_server_request_duration_seconds"
_GRAPHQL = "graphql_server_operation_duration_seconds"
_TASK = "messaging_process_duration_seconds"
_COMPUTING = "prime_task_duration_milliseconds"

_ENDPOINT = ("http_request_method", "http_route")
_OPERATION = ("graphql_operation_type", "graphql_root_field")

_API_LEVELS = Levels.up_to(objectives.BUDGET / 2, objectives.BUDGET)

_NOW = (
    Number(
        title="Requests",
        description="Requests to the API a second, GraphQL and REST. None at all: see whether clients reach it "
        "(/livez).",
        unit="reqps",
        series={"requests": rate(f"{_HTTP}_count")},
        traces=trace_links.REQUESTS,
    ),
    Number(
        title="API errors",
        description="Requests that failed through no fault of the client. Above 1 % the objective is missed: the row "
        "Errors below says which, a click leads to traces of them.",
        unit="percentunit",
        series={"errors": objectives.api_errors()},
        traces=trace_links.BROKEN_REQUESTS,
        levels=_API_LEVELS,
    ),
    Number(
        title="GraphQL p95",
        description="19 of 20 GraphQL operations are answered within this time. Operations that wait for a job "
        "(waitMs) belong to it. Rising with the load: more API processes; rising alone: see the job store.",
        unit="s",
        series={"p95": quantile(0.95, _GRAPHQL)},
        traces=trace_links.REQUESTS,
    ),
    Number(
        title="Jobs done",
        description="Jobs that succeeded, a second. Lower than submissions for long: the backlog grows, see Jobs and "
        "queue.",
        unit="cps",
        series={"jobs": or_zero(store_rate('job_finished_total{job_status="SUCCEEDED"}'))},
        traces=trace_links.JOBS,
    ),
    Number(
        title="Primes",
        description="Primes computed and kept, a second. None while jobs wait: see Workers.",
        unit="cps",
        series={"primes": or_zero(rate("prime_computed_total"))},
        traces=trace_links.COMPUTATIONS,
    ),
    Number(
        title="Tasks p95",
        description="19 of 20 Celery tasks take no longer, with claiming and keeping. Far above the computing time "
        "below: the job store is slow.",
        unit="s",
        series={"p95": quantile(0.95, _TASK)},
        traces=trace_links.TASKS,
    ),
)

_API = (
    Graph(
        title="Throughput by endpoint",
        description="Requests a second by method and route. One route far above its habit: one client in a loop.",
        unit="reqps",
        series={"{{http_request_method}} {{http_route}}": rate(f"{_HTTP}_count", *_ENDPOINT)},
        traces=trace_links.BY_ROUTE,
    ),
    Graph(
        title="Latency p95 by endpoint",
        description="From request to the end of the answer. Streams and requests that ask to wait are long by wish; "
        "another route that rises has a slow store or a full processor behind it: follow its trace.",
        unit="s",
        series={"{{http_request_method}} {{http_route}}": quantile(0.95, _HTTP, *_ENDPOINT)},
        traces=trace_links.BY_ROUTE,
    ),
    Graph(
        title="Latency of all requests",
        description="Median and tails of all requests. If p99 alone moves, look for one route or one client in the "
        "panel beside it; if the median moves, the process or the store is busy.",
        unit="s",
        series=quantiles(_HTTP),
        traces=trace_links.REQUESTS,
    ),
    Graph(
        title="Throughput by GraphQL operation",
        description="Operations a second by the first field asked for; _invalid are documents that the schema refused. "
        "Much _invalid: a client was built for another schema.",
        unit="ops",
        series={"{{graphql_operation_type}} {{graphql_root_field}}": rate(f"{_GRAPHQL}_count", *_OPERATION)},
        traces=trace_links.BY_ROOT_FIELD,
    ),
    Graph(
        title="Latency p95 by GraphQL operation",
        description="Queries and mutations; subscriptions last as long as they like and are not in it. generatePrimes "
        "includes the wait that its caller asked for (waitMs).",
        unit="s",
        series={"{{graphql_operation_type}} {{graphql_root_field}}": quantile(0.95, _GRAPHQL, *_OPERATION)},
        traces=trace_links.BY_ROOT_FIELD,
    ),
    Graph(
        title="Latency of all GraphQL operations",
        description="Median and tails of queries and mutations together. When it rises with the requests in flight, "
        "add API processes.",
        unit="s",
        series=quantiles(_GRAPHQL),
        traces=trace_links.REQUESTS,
    ),
)

_ERRORS = (
    Graph(
        title="HTTP errors",
        description="Answers 4xx and 5xx a second. 5xx are ours: 503 is a full queue or a store that is down. 4xx are "
        "the clients', unless they began with a release.",
        unit="reqps",
        series={
            "4xx": or_zero(rate(f'{_HTTP}_count{{http_response_status_code=~"4.."}}')),
            "5xx": or_zero(rate(f'{_HTTP}_count{{http_response_status_code=~"5.."}}')),
        },
        traces=trace_links.BROKEN_REQUESTS,
        width=6,
    ),
    Graph(
        title="GraphQL errors by type",
        description="Operations that were answered by an error, a second: INTERNAL is a defect of ours (see the log by "
        "trace id), QueueFull and BackendUnavailable want room or a store, the others are the clients'.",
        unit="ops",
        series={
            "{{error_type}}": or_zero(rate(f'{_GRAPHQL}_count{{error_type!=""}}', "error_type"), error_type="none"),
        },
        traces=trace_links.BROKEN_REQUESTS,
        width=6,
    ),
    Graph(
        title="Share of API errors",
        description="What the objective is about: requests that failed through no fault of the client. Above the red "
        "line the budget shrinks faster than it should: see docs/runbook.md, requests failing.",
        unit="percentunit",
        series={"errors": objectives.api_errors()},
        traces=trace_links.BROKEN_REQUESTS,
        levels=_API_LEVELS,
        width=6,
    ),
    Graph(
        title="Requests in flight",
        description="Requests that are being answered, streams among them. Growing without more requests: something "
        "does not answer, most likely the job store.",
        unit="short",
        series={"{{http_request_method}}": gauge_sum("http_server_active_requests", "http_request_method")},
        traces=trace_links.REQUESTS,
        width=6,
    ),
)

_TASKS = (
    Graph(
        title="Task duration",
        description="One Celery task each: claim, compute, keep. Tails grow with larger jobs; a rising median with "
        "unchanged computing time points to the store.",
        unit="s",
        series=quantiles(_TASK),
        traces=trace_links.TASKS,
    ),
    HeatMap(
        title="Computing time",
        description="How long primes took to compute, each task in its bucket of milliseconds. Two bands are two sizes "
        "of jobs; a band that drifts upwards is a processor shared with too many.",
        unit="ms",
        series={"{{le}}": f"sum by (le) (increase({_COMPUTING}_bucket[$__rate_interval]))"},
        traces=trace_links.COMPUTATIONS,
        width=16,
    ),
    Graph(
        title="Computing time, quantiles",
        description="The computation alone, in milliseconds. It depends on the sizes asked for and on the processor; "
        "when it rises for one size class, processes outnumber processors.",
        unit="ms",
        series=quantiles(_COMPUTING),
        traces=trace_links.COMPUTATIONS,
    ),
    Graph(
        title="Computing time p95 by size",
        description="By the next power of ten of the count. Within a class it should not change: if it does, workers "
        "have fewer processors than processes.",
        unit="ms",
        series={"up to {{prime_size_class}}": quantile(0.95, _COMPUTING, "prime_size_class")},
        traces=trace_links.COMPUTATIONS,
    ),
    Graph(
        title="Primes a second",
        description="Computed by workers, and served to clients by endpoint. Served without computed: clients read "
        "older results. Computed without served: results that no client fetches.",
        unit="cps",
        series={
            "computed": or_zero(rate("prime_computed_total")),
            "served by {{prime_endpoint}}": or_zero(
                rate("prime_served_total", "prime_endpoint"), prime_endpoint="none"
            ),
        },
        traces=trace_links.COMPUTATIONS,
    ),
)

BOARD = Board(
    "prime-generator",
    "Prime Generator Dashboard",
    "Requests, errors, tasks and primes. Links at the top lead to the other dashboards; a click on a line to traces.",
    {"Now": _NOW, "API": _API, "Errors": _ERRORS, "Tasks and primes": _TASKS},
)
