"""The dashboard about jobs: objectives, reliability, backlog, throughput and live updates."""

from __future__ import annotations

from observability.grafana import trace_links
from observability.grafana.boards import slo_panels
from observability.grafana.panels import Dashboard, Thresholds, TimeSeries
from observability.grafana.queries import (
    gauge_sum,
    or_zero,
    quantile,
    quantiles,
    rate,
    saturation,
    store_gauge,
    store_rate,
)

_JOB = "job_duration_seconds"
_RUN = "job_run_duration_seconds"
_SUCCEEDED = 'job_status="SUCCEEDED"'

_BACKLOG = (
    TimeSeries(
        title="Messages waiting",
        description="Messages that no worker has taken yet, by queue. Workers take small jobs first. If a line keeps "
        "growing, add worker processes.",
        unit="short",
        series={"{{job_queue}}": store_gauge("job_queue_depth", "job_queue")},
        traces=trace_links.BY_QUEUE,
        width=6,
    ),
    TimeSeries(
        title="Oldest queued job",
        description="Waiting time of the oldest queued job. Above the red line an alert fires: check that workers run "
        "and take from this queue.",
        unit="s",
        series={"oldest": store_gauge("job_queue_oldest_age_seconds")},
        traces=trace_links.JOBS,
        thresholds=Thresholds.high_is_bad(30, 60),
        width=6,
    ),
    TimeSeries(
        title="Open jobs",
        description="Jobs that are not final, and the capacity. When they reach it, submissions are rejected with "
        "QueueFull.",
        unit="short",
        series={
            "{{job_status}}": store_gauge("job_open", "job_status"),
            "capacity": store_gauge("job_capacity"),
        },
        traces=trace_links.JOBS,
        width=6,
    ),
    TimeSeries(
        title="Saturation",
        description="Open jobs divided by capacity. Above the orange line plan for more workers, above the red line "
        "add them.",
        unit="percentunit",
        series={"open": saturation()},
        traces=trace_links.JOBS,
        thresholds=Thresholds.high_is_bad(0.5, 0.8),
        width=6,
    ),
)

_FLOW = (
    TimeSeries(
        title="Submissions by outcome",
        description="Submissions per second. replayed: same idempotency key and arguments; conflict: same key, other "
        "arguments, an error of the client; full: rejected at capacity; limited: rejected by the rate limit.",
        unit="cps",
        series={"{{job_outcome}}": or_zero(store_rate("job_submissions_total", "job_outcome"), job_outcome="created")},
        traces=trace_links.TraceSearch("Submissions", trace_links.API, operation="mutation generatePrimes"),
    ),
    TimeSeries(
        title="Finished jobs by status",
        description="Jobs that became final, per second. The sum should follow submissions; the difference grows the "
        "backlog.",
        unit="cps",
        series={"{{job_status}}": or_zero(store_rate("job_finished_total", "job_status"), job_status="SUCCEEDED")},
        traces=trace_links.TraceSearch(
            "Jobs with this status",
            trace_links.WORKER,
            operation="job",
            tags=f"job.status={trace_links.label('job_status')}",
        ),
        stacked=True,
    ),
    TimeSeries(
        title="Failures by reason",
        description="FAILED jobs per second. WORKER_LOST: workers were killed, often out of memory; RESULT_STORE: "
        "results could not be stored; TIMEOUT: the job exceeded its time limit; INTERNAL: a bug, see the worker's log.",
        unit="cps",
        series={
            "{{job_failure_reason}}": or_zero(
                store_rate('job_finished_total{job_status="FAILED"}', "job_failure_reason"), job_failure_reason="none"
            ),
        },
        traces=trace_links.TraceSearch(
            "Jobs that failed for this reason",
            trace_links.WORKER,
            operation="job",
            tags=f"error.type={trace_links.label('job_failure_reason')}",
        ),
    ),
    TimeSeries(
        title="Queue time",
        description="From submission to the first claim. Long: all workers are busy, see Workers. Long for the large "
        "queue only is expected: small jobs go first.",
        unit="s",
        series={
            "{{job_queue}} p50": quantile(0.5, "job_queue_duration_seconds", "job_queue"),
            "{{job_queue}} p95": quantile(0.95, "job_queue_duration_seconds", "job_queue"),
        },
        traces=trace_links.BY_QUEUE,
    ),
    TimeSeries(
        title="Run time",
        description="From the first claim to the final state, of succeeded jobs. Longer than the duration of tasks: "
        "segments waited for workers, or were lost and repeated.",
        unit="s",
        series={
            "{{job_queue}} p50": quantile(0.5, _RUN, "job_queue", matchers=_SUCCEEDED),
            "{{job_queue}} p95": quantile(0.95, _RUN, "job_queue", matchers=_SUCCEEDED),
        },
        traces=trace_links.BY_QUEUE,
    ),
    TimeSeries(
        title="Time to final state, p95",
        description="From submission to the final state, by queue and status. A long FAILED means that all attempts "
        "were used; CANCELLED shows how long clients wait before they cancel.",
        unit="s",
        series={"{{job_queue}} {{job_status}}": quantile(0.95, _JOB, "job_queue", "job_status")},
        traces=trace_links.BY_QUEUE,
    ),
)

_LIVE_UPDATES = (
    TimeSeries(
        title="Open subscriptions",
        description="By field. The number drops when an API process stops; if it does not recover, clients do not "
        "resubscribe.",
        unit="short",
        series={
            "{{graphql_root_field}}": or_zero(
                gauge_sum("graphql_server_active_subscriptions", "graphql_root_field"), graphql_root_field="none"
            ),
        },
        traces=trace_links.DELIVERIES,
        width=6,
    ),
    TimeSeries(
        title="Subscriptions ended",
        description="Per second, by field and error type. Many short subscriptions: clients reconnect repeatedly; "
        "check whether a proxy closes their connections.",
        unit="cps",
        series={
            "{{graphql_root_field}} {{error_type}}": or_zero(
                rate("graphql_server_subscription_duration_seconds_count", "graphql_root_field", "error_type"),
                graphql_root_field="none",
            ),
        },
        traces=trace_links.DELIVERIES,
        width=6,
    ),
    TimeSeries(
        title="Event lag",
        description="From the commit of a change to its delivery to a subscriber. Rising: the API process is saturated "
        "or subscribers read slowly; add API processes.",
        unit="s",
        series=quantiles("job_event_lag_seconds"),
        traces=trace_links.DELIVERIES,
        width=6,
    ),
    TimeSeries(
        title="Events delivered and folded",
        description="Per second. folded: states skipped because a newer one was sent, which many slow clients cause "
        "and which loses nothing. reconnects: should be zero, otherwise the store closes connections of the feed.",
        unit="cps",
        series={
            "delivered": or_zero(rate("job_events_delivered_total")),
            "folded": or_zero(rate("job_events_folded_total")),
            "reconnects": or_zero(rate("job_feed_reconnects_total")),
        },
        traces=trace_links.DELIVERIES,
        width=6,
    ),
)

DASHBOARD = Dashboard(
    "jobs-and-queue",
    "Jobs and queue",
    "Objectives, reliability, backlog, throughput and live updates.",
    {
        "Objectives": slo_panels.OBJECTIVES,
        "Reliability": slo_panels.RELIABILITY,
        "Backlog": _BACKLOG,
        "Throughput": _FLOW,
        "Live updates": _LIVE_UPDATES,
    },
)
