"""The overview dashboard: requests, errors, tasks and primes."""

from __future__ import annotations

from observability.grafana import objectives, trace_links
from observability.grafana.panels import Dashboard, Heatmap, Stat, Thresholds, TimeSeries
from observability.grafana.queries import gauge_sum, or_zero, quantile, quantiles, rate, store_rate

_HTTP = "http_server_request_duration_seconds"
_GRAPHQL = "graphql_server_operation_duration_seconds"
_TASK = "messaging_process_duration_seconds"
_COMPUTING = "prime_task_duration_milliseconds"

_ENDPOINT = ("http_request_method", "http_route")
_OPERATION = ("graphql_operation_type", "graphql_root_field")

_API_THRESHOLDS = Thresholds.high_is_bad(objectives.BUDGET / 2, objectives.BUDGET)

_NOW = (
    Stat(
        title="Requests",
        description="GraphQL and REST requests per second. Zero: check that clients can reach the API (/livez).",
        unit="reqps",
        series={"requests": rate(f"{_HTTP}_count")},
        traces=trace_links.REQUESTS,
    ),
    Stat(
        title="API errors",
        description="Share of requests that failed through no fault of the client. Above 1 % the objective is missed: "
        "the row Errors shows their types, and a click opens their traces.",
        unit="percentunit",
        series={"errors": objectives.error_share()},
        traces=trace_links.FAILED_REQUESTS,
        thresholds=_API_THRESHOLDS,
    ),
    Stat(
        title="GraphQL p95",
        description="95 % of GraphQL operations are answered within this time, including those that wait for a job "
        "(waitMs). Rising with the load: add API processes. Rising without it: check the job store.",
        unit="s",
        series={"p95": quantile(0.95, _GRAPHQL)},
        traces=trace_links.REQUESTS,
    ),
    Stat(
        title="Jobs succeeded",
        description="Succeeded jobs per second. If it stays below submissions, the backlog grows: see Jobs and queue.",
        unit="cps",
        series={"jobs": or_zero(store_rate('job_finished_total{job_status="SUCCEEDED"}'))},
        traces=trace_links.JOBS,
    ),
    Stat(
        title="Primes",
        description="Primes computed and stored per second. Zero while jobs wait: see Workers.",
        unit="cps",
        series={"primes": or_zero(rate("prime_computed_total"))},
        traces=trace_links.COMPUTATIONS,
    ),
    Stat(
        title="Tasks p95",
        description="95 % of attempts take at most this long, including claim and storage. Far above the computing "
        "time below: the job store is slow.",
        unit="s",
        series={"p95": quantile(0.95, _TASK)},
        traces=trace_links.TASKS,
    ),
)

_API = (
    TimeSeries(
        title="Throughput by endpoint",
        description="Requests per second by method and route. One route far above its usual rate: probably one client "
        "in a loop.",
        unit="reqps",
        series={"{{http_request_method}} {{http_route}}": rate(f"{_HTTP}_count", *_ENDPOINT)},
        traces=trace_links.BY_ROUTE,
    ),
    TimeSeries(
        title="Latency p95 by endpoint",
        description="From request to the end of the response. Streams and requests that wait for a job are long by "
        "design. If another route rises, the store is slow or the processor busy: follow its trace.",
        unit="s",
        series={"{{http_request_method}} {{http_route}}": quantile(0.95, _HTTP, *_ENDPOINT)},
        traces=trace_links.BY_ROUTE,
    ),
    TimeSeries(
        title="Latency of all requests",
        description="Median, p95 and p99 of all requests. If only p99 rises, look for one route in the panel to the "
        "left; if the median rises, the process or the store is busy.",
        unit="s",
        series=quantiles(_HTTP),
        traces=trace_links.REQUESTS,
    ),
    TimeSeries(
        title="Throughput by GraphQL operation",
        description="Operations per second by root field; _invalid counts documents that failed validation. A high "
        "rate of _invalid: a client was built for another schema.",
        unit="ops",
        series={"{{graphql_operation_type}} {{graphql_root_field}}": rate(f"{_GRAPHQL}_count", *_OPERATION)},
        traces=trace_links.BY_ROOT_FIELD,
    ),
    TimeSeries(
        title="Latency p95 by GraphQL operation",
        description="Queries and mutations, without subscriptions. generatePrimes includes the waiting time that the "
        "client requested (waitMs).",
        unit="s",
        series={"{{graphql_operation_type}} {{graphql_root_field}}": quantile(0.95, _GRAPHQL, *_OPERATION)},
        traces=trace_links.BY_ROOT_FIELD,
    ),
    TimeSeries(
        title="Latency of all GraphQL operations",
        description="Median, p95 and p99 of queries and mutations. If it rises with the requests in flight, add API "
        "processes.",
        unit="s",
        series=quantiles(_GRAPHQL),
        traces=trace_links.REQUESTS,
    ),
)

_ERRORS = (
    TimeSeries(
        title="HTTP errors",
        description="Responses 4xx and 5xx per second. 5xx are failures of the service: 503 is a full queue or an "
        "unavailable store. 4xx are errors of clients, unless they started with a release.",
        unit="reqps",
        series={
            "4xx": or_zero(rate(f'{_HTTP}_count{{http_response_status_code=~"4.."}}')),
            "5xx": or_zero(rate(f'{_HTTP}_count{{http_response_status_code=~"5.."}}')),
        },
        traces=trace_links.FAILED_REQUESTS,
        width=6,
    ),
    TimeSeries(
        title="GraphQL errors by type",
        description="Operations that returned an error, per second. INTERNAL: a bug, see the log by trace id; "
        "QueueFull: add workers; BackendUnavailable: check the store; others are errors of clients.",
        unit="ops",
        series={
            "{{error_type}}": or_zero(rate(f'{_GRAPHQL}_count{{error_type!=""}}', "error_type"), error_type="none"),
        },
        traces=trace_links.FAILED_REQUESTS,
        width=6,
    ),
    TimeSeries(
        title="API error ratio",
        description="Share of requests that failed through no fault of the client, which is the objective. Above the "
        "red line the error budget shrinks too fast: see docs/runbook.md, requests failing.",
        unit="percentunit",
        series={"errors": objectives.error_share()},
        traces=trace_links.FAILED_REQUESTS,
        thresholds=_API_THRESHOLDS,
        width=6,
    ),
    TimeSeries(
        title="Requests in flight",
        description="Requests in progress, including streams. Growing without more requests: something does not "
        "respond, most likely the job store.",
        unit="short",
        series={"{{http_request_method}}": gauge_sum("http_server_active_requests", "http_request_method")},
        traces=trace_links.REQUESTS,
        width=6,
    ),
)

_TASKS = (
    TimeSeries(
        title="Task duration",
        description="Attempts: claim, compute, store. p95 and p99 grow with larger jobs. A rising median with "
        "constant computing time points to the store.",
        unit="s",
        series=quantiles(_TASK),
        traces=trace_links.TASKS,
    ),
    Heatmap(
        title="Computing time",
        description="Tasks by computing time in milliseconds. Two bands are two sizes of jobs. A band that drifts "
        "upwards: too many processes share the processor.",
        unit="ms",
        series={"{{le}}": f"sum by (le) (increase({_COMPUTING}_bucket[$__rate_interval]))"},
        traces=trace_links.COMPUTATIONS,
        width=16,
    ),
    TimeSeries(
        title="Computing time quantiles",
        description="The computation alone, in milliseconds. It depends on the requested sizes and on the processor. "
        "If it rises within one size class, there are more processes than processors.",
        unit="ms",
        series=quantiles(_COMPUTING),
        traces=trace_links.COMPUTATIONS,
    ),
    TimeSeries(
        title="Computing time p95 by size",
        description="By size class, the next power of ten of the count. It should be constant within a class; if it "
        "rises, there are more processes than processors.",
        unit="ms",
        series={"up to {{prime_size_class}}": quantile(0.95, _COMPUTING, "prime_size_class")},
        traces=trace_links.COMPUTATIONS,
    ),
    TimeSeries(
        title="Primes per second",
        description="Computed by workers, and served to clients by endpoint. Served without computed: clients read "
        "older results. Computed without served: clients do not fetch their results.",
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

DASHBOARD = Dashboard(
    "prime-generator",
    "Prime Generator Dashboard",
    "Requests, errors, tasks and primes. Links at the top open the other dashboards; a click on a line opens traces.",
    {"Now": _NOW, "API": _API, "Errors": _ERRORS, "Tasks and primes": _TASKS},
)
