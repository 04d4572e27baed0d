"""What the load test saw from outside. Runs are marked on the time axis of every dashboard."""

from __future__ import annotations

from observability.grafana import trace_links
from observability.grafana.panels import Board, Graph, Levels, Number
from observability.grafana.queries import gauge_sum, or_zero, quantile, quantiles, rate, share, store_rate

_REQUEST = "loadtest_request_duration_seconds"
_JOB = "loadtest_job_duration_seconds"
_VIOLATIONS = Levels.up_to(1e-9, 1e-9)
_FAILED_SHARE = share(f"{_REQUEST}_count", 'loadtest_outcome="failed"')

_NOW = (
    Number(
        title="Users",
        description="Simulated users now, of all scenarios. None: no test is running, and the rest of this page is "
        "empty.",
        unit="none",
        series={"users": or_zero(gauge_sum("loadtest_users"))},
        traces=trace_links.REQUESTS,
    ),
    Number(
        title="Requests",
        description="Requests of the load test, a second. Lower than planned: the test's own machine may be at its "
        "limit.",
        unit="reqps",
        series={"requests": rate(f"{_REQUEST}_count")},
        traces=trace_links.REQUESTS,
    ),
    Number(
        title="Failed",
        description="The share of requests that failed as the client saw it. Refusals under more load than there is "
        "room for are right; others are not.",
        unit="percentunit",
        series={"failed": _FAILED_SHARE},
        traces=trace_links.BROKEN_REQUESTS,
        levels=Levels.up_to(0.001, 0.01),
    ),
    Number(
        title="Requests p95",
        description="19 of 20 requests were answered within this time, network included.",
        unit="s",
        series={"p95": quantile(0.95, _REQUEST)},
        traces=trace_links.REQUESTS,
    ),
    Number(
        title="Event lag p95",
        description="From a job's end to the news of it at the client. The clocks of both machines must agree.",
        unit="s",
        series={"p95": quantile(0.95, "loadtest_event_lag_seconds")},
        traces=trace_links.DELIVERIES,
    ),
    Number(
        title="Violations",
        description="Promises broken within one interval: a final state lost or told twice, a wrong result. Any is a "
        "defect: keep the run's log.",
        unit="none",
        series={"violations": "sum(increase(loadtest_violations_total[$__rate_interval])) or vector(0)"},
        traces=trace_links.JOBS,
        levels=_VIOLATIONS,
    ),
)

_LOAD = (
    Graph(
        title="Users by scenario",
        description="How many there were, when. Steps are the plan; a fall before its end is a test that broke off.",
        unit="short",
        series={"{{loadtest_scenario}}": gauge_sum("loadtest_users", "loadtest_scenario")},
        traces=trace_links.REQUESTS,
        stacked=True,
    ),
    Graph(
        title="Requests by outcome",
        description="A second, ok and failed. Failures that begin at a step of users show where the limit is.",
        unit="reqps",
        series={"{{loadtest_outcome}}": rate(f"{_REQUEST}_count", "loadtest_outcome")},
        traces=trace_links.BROKEN_REQUESTS,
        stacked=True,
    ),
    Graph(
        title="Jobs, asked for and done",
        description="Submissions and final states a second, as the job store counted them. The lines part where "
        "workers can't follow.",
        unit="cps",
        series={
            "submitted": or_zero(store_rate('job_submissions_total{job_outcome="created"}')),
            "final": or_zero(store_rate("job_finished_total")),
        },
        traces=trace_links.JOBS,
    ),
)

_TIMES = (
    Graph(
        title="Request duration",
        description="Median and tails as clients saw them. Far above the API's own latency: the network or the test's "
        "machine is the limit.",
        unit="s",
        series=quantiles(_REQUEST),
        traces=trace_links.REQUESTS,
    ),
    Graph(
        title="Request duration p95 by request",
        description="By the name that the load test gives. The one that rises first is where the system is short.",
        unit="s",
        series={"{{loadtest_request}}": quantile(0.95, _REQUEST, "loadtest_request")},
        traces=trace_links.REQUESTS,
    ),
    Graph(
        title="Requests by name",
        description="A second. The mix of a scenario: it should not change with the load.",
        unit="reqps",
        series={"{{loadtest_request}}": rate(f"{_REQUEST}_count", "loadtest_request")},
        traces=trace_links.REQUESTS,
    ),
    Graph(
        title="From submission to final state",
        description="Median and tails of all jobs, as clients saw them, beside what the system measured itself (p95). "
        "The gap is the way to the client.",
        unit="s",
        series={**quantiles(_JOB), "p95 measured by the system": quantile(0.95, "job_duration_seconds")},
        traces=trace_links.JOBS,
    ),
    Graph(
        title="From submission to final state p95 by size",
        description="Small jobs should stay quick whatever large ones do. If they don't, processes are too few for the "
        "large ones.",
        unit="s",
        series={"{{loadtest_size}}": quantile(0.95, _JOB, "loadtest_size")},
        traces=trace_links.JOBS,
    ),
    Graph(
        title="Event lag",
        description="From a job's end to the news of it at the client, beside what the system measured itself (p95).",
        unit="s",
        series={
            **quantiles("loadtest_event_lag_seconds"),
            "p95 measured by the system": quantile(0.95, "job_event_lag_seconds"),
        },
        traces=trace_links.DELIVERIES,
    ),
)

_PROMISES = (
    Graph(
        title="Violations by kind",
        description="Promises broken, a second. lost_final: a client was never told the end; repeated_final: it was "
        "told twice; wrong_result: primes that are none. Each is a defect of ours.",
        unit="cps",
        series={
            "{{loadtest_violation}}": or_zero(
                rate("loadtest_violations_total", "loadtest_violation"), loadtest_violation="none"
            ),
        },
        traces=trace_links.JOBS,
        levels=_VIOLATIONS,
        width=12,
    ),
    Graph(
        title="Failed requests by name",
        description="A second, by the name of the request. One name alone: follow its traces; all of them: the API "
        "is down.",
        unit="reqps",
        series={
            "{{loadtest_request}}": or_zero(
                rate(f'{_REQUEST}_count{{loadtest_outcome="failed"}}', "loadtest_request"), loadtest_request="none"
            ),
        },
        traces=trace_links.BROKEN_REQUESTS,
        width=12,
    ),
)

BOARD = Board(
    "load-test",
    "Load test",
    "Users, requests, jobs and broken promises, as the load test saw them.",
    {"Now": _NOW, "Load": _LOAD, "Times": _TIMES, "Promises": _PROMISES},
)
