"""The dashboard about the load test, as its clients measured it."""

from __future__ import annotations

from observability.grafana import trace_links
from observability.grafana.panels import Dashboard, Stat, Thresholds, TimeSeries
from observability.grafana.queries import gauge_sum, or_zero, quantile, quantiles, rate, share, store_rate

_REQUEST = "loadtest_request_duration_seconds"
_JOB = "loadtest_job_duration_seconds"
_VIOLATION_THRESHOLDS = Thresholds.high_is_bad(1e-9, 1e-9)
_FAILED_SHARE = share(f"{_REQUEST}_count", 'loadtest_outcome="failed"')

_NOW = (
    Stat(
        title="Users",
        description="Running simulated users of all scenarios. Zero: no test is running, and the rest of this page is "
        "empty.",
        unit="none",
        series={"users": or_zero(gauge_sum("loadtest_users"))},
        traces=trace_links.REQUESTS,
    ),
    Stat(
        title="Requests",
        description="Requests of the load test per second. Lower than planned: the machine of the load test may be at "
        "its limit.",
        unit="reqps",
        series={"requests": rate(f"{_REQUEST}_count")},
        traces=trace_links.REQUESTS,
    ),
    Stat(
        title="Failed",
        description="Share of requests that failed, as the client measured it. Rejections above the capacity are "
        "expected; other failures are not.",
        unit="percentunit",
        series={"failed": _FAILED_SHARE},
        traces=trace_links.FAILED_REQUESTS,
        thresholds=Thresholds.high_is_bad(0.001, 0.01),
    ),
    Stat(
        title="Requests p95",
        description="95 % of requests were answered within this time, including the network.",
        unit="s",
        series={"p95": quantile(0.95, _REQUEST)},
        traces=trace_links.REQUESTS,
    ),
    Stat(
        title="Event lag p95",
        description="From the end of a job to the arrival of its final event at the client. Clocks must be "
        "synchronised.",
        unit="s",
        series={"p95": quantile(0.95, "loadtest_event_lag_seconds")},
        traces=trace_links.DELIVERIES,
    ),
    Stat(
        title="Violations",
        description="Correctness violations within one interval: a lost or repeated final event, or a wrong result. "
        "Each is a bug: keep the log of the run.",
        unit="none",
        series={"violations": "sum(increase(loadtest_violations_total[$__rate_interval])) or vector(0)"},
        traces=trace_links.JOBS,
        thresholds=_VIOLATION_THRESHOLDS,
    ),
)

_LOAD = (
    TimeSeries(
        title="Users by scenario",
        description="Running users. Steps are part of the scenario; a drop before its end means that the test was "
        "interrupted.",
        unit="short",
        series={"{{loadtest_scenario}}": gauge_sum("loadtest_users", "loadtest_scenario")},
        traces=trace_links.REQUESTS,
        stacked=True,
    ),
    TimeSeries(
        title="Requests by outcome",
        description="Requests per second, ok and failed. Failures that start with a step of users show the limit.",
        unit="reqps",
        series={"{{loadtest_outcome}}": rate(f"{_REQUEST}_count", "loadtest_outcome")},
        traces=trace_links.FAILED_REQUESTS,
        stacked=True,
    ),
    TimeSeries(
        title="Jobs submitted and finished",
        description="Submitted and finished jobs per second, as the job store counted them. The lines diverge when "
        "workers cannot keep up.",
        unit="cps",
        series={
            "submitted": or_zero(store_rate('job_submissions_total{job_outcome="created"}')),
            "final": or_zero(store_rate("job_finished_total")),
        },
        traces=trace_links.JOBS,
    ),
)

_TIMES = (
    TimeSeries(
        title="Request duration",
        description="Median, p95 and p99, as clients measured them. Far above the API's own latency: the network or "
        "the machine of the load test is the bottleneck.",
        unit="s",
        series=quantiles(_REQUEST),
        traces=trace_links.REQUESTS,
    ),
    TimeSeries(
        title="Request duration p95 by request",
        description="By the request's name in the load test. The one that rises first shows the bottleneck.",
        unit="s",
        series={"{{loadtest_request}}": quantile(0.95, _REQUEST, "loadtest_request")},
        traces=trace_links.REQUESTS,
    ),
    TimeSeries(
        title="Requests by name",
        description="Requests per second. Shows the mix of a scenario, which should not change with the load.",
        unit="reqps",
        series={"{{loadtest_request}}": rate(f"{_REQUEST}_count", "loadtest_request")},
        traces=trace_links.REQUESTS,
    ),
    TimeSeries(
        title="Time to final state",
        description="Median, p95 and p99 of all jobs, as clients measured them, and the p95 that the system measured. "
        "The difference is the way to the client.",
        unit="s",
        series={**quantiles(_JOB), "p95 measured by the system": quantile(0.95, "job_duration_seconds")},
        traces=trace_links.JOBS,
    ),
    TimeSeries(
        title="Time to final state p95 by size",
        description="Small jobs should stay fast whatever large ones do. Otherwise add worker processes for the large "
        "ones.",
        unit="s",
        series={"{{loadtest_size}}": quantile(0.95, _JOB, "loadtest_size")},
        traces=trace_links.JOBS,
    ),
    TimeSeries(
        title="Event lag",
        description="From the end of a job to the arrival of its final event at the client, and the p95 that the "
        "system measured.",
        unit="s",
        series={
            **quantiles("loadtest_event_lag_seconds"),
            "p95 measured by the system": quantile(0.95, "job_event_lag_seconds"),
        },
        traces=trace_links.DELIVERIES,
    ),
)

_CORRECTNESS = (
    TimeSeries(
        title="Violations by kind",
        description="Correctness violations per second. lost_final: a client did not receive the final event; "
        "repeated_final: it received it twice; wrong_result: wrong primes. Each is a bug.",
        unit="cps",
        series={
            "{{loadtest_violation}}": or_zero(
                rate("loadtest_violations_total", "loadtest_violation"), loadtest_violation="none"
            ),
        },
        traces=trace_links.JOBS,
        thresholds=_VIOLATION_THRESHOLDS,
        width=12,
    ),
    TimeSeries(
        title="Failed requests by name",
        description="Failed requests per second, by name. One name only: follow its traces; all of them: the API is "
        "down.",
        unit="reqps",
        series={
            "{{loadtest_request}}": or_zero(
                rate(f'{_REQUEST}_count{{loadtest_outcome="failed"}}', "loadtest_request"), loadtest_request="none"
            ),
        },
        traces=trace_links.FAILED_REQUESTS,
        width=12,
    ),
)

DASHBOARD = Dashboard(
    "load-test",
    "Load test",
    "Users, requests, jobs and correctness violations, as the load test measured them.",
    {"Now": _NOW, "Load": _LOAD, "Times": _TIMES, "Correctness": _CORRECTNESS},
)
