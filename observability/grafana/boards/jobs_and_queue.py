"""What becomes of jobs: whether promises are kept, what waits, what comes and goes, and who is told."""

from __future__ import annotations

from observability.grafana import trace_links
from observability.grafana.boards import slo_panels
from observability.grafana.panels import Board, Graph, Levels
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
_DONE = 'job_status="SUCCEEDED"'

_BACKLOG = (
    Graph(
        title="Messages waiting",
        description="Messages that no worker has taken, by queue. Small ones are taken first; a growing line wants "
        "more worker processes.",
        unit="short",
        series={"{{job_queue}}": store_gauge("job_queue_depth", "job_queue")},
        traces=trace_links.BY_QUEUE,
        width=6,
    ),
    Graph(
        title="Oldest queued job",
        description="How long the job that waits longest has waited. Above the line someone is told: are there "
        "workers, and do they take from this queue?",
        unit="s",
        series={"oldest": store_gauge("job_queue_oldest_age_seconds")},
        traces=trace_links.JOBS,
        levels=Levels.up_to(30, 60),
        width=6,
    ),
    Graph(
        title="Open jobs",
        description="Jobs that are not final, against as many as may be. When they meet, submissions are refused as "
        "QueueFull.",
        unit="short",
        series={
            "{{job_status}}": store_gauge("job_open", "job_status"),
            "capacity": store_gauge("job_capacity"),
        },
        traces=trace_links.JOBS,
        width=6,
    ),
    Graph(
        title="Saturation",
        description="Open jobs over capacity. Above the orange line plan for more workers, above the red one add them.",
        unit="percentunit",
        series={"open": saturation()},
        traces=trace_links.JOBS,
        levels=Levels.up_to(0.5, 0.8),
        width=6,
    ),
)

_FLOW = (
    Graph(
        title="Submissions by outcome",
        description="A second: created, replayed (same key, same arguments: a client that repeats), conflict (same "
        "key, other arguments: a client's mistake), full (refused for want of room).",
        unit="cps",
        series={"{{job_outcome}}": or_zero(store_rate("job_submissions_total", "job_outcome"), job_outcome="created")},
        traces=trace_links.Traces("Submissions", trace_links.API, operation="mutation generatePrimes"),
    ),
    Graph(
        title="Final by status",
        description="Jobs that ended, a second. Together they should follow submissions; the difference is the "
        "backlog.",
        unit="cps",
        series={"{{job_status}}": or_zero(store_rate("job_finished_total", "job_status"), job_status="SUCCEEDED")},
        traces=trace_links.Traces(
            "Jobs that ended so",
            trace_links.WORKER,
            operation="job",
            tags=f"job.status={trace_links.label('job_status')}",
        ),
        stacked=True,
    ),
    Graph(
        title="Failures by reason",
        description="FAILED jobs a second. WORKER_LOST: workers die, often for want of memory; RESULT_STORE: results "
        "can't be kept; TIMEOUT: too large; INTERNAL: a defect, see the worker's log.",
        unit="cps",
        series={
            "{{job_failure_reason}}": or_zero(
                store_rate('job_finished_total{job_status="FAILED"}', "job_failure_reason"), job_failure_reason="none"
            ),
        },
        traces=trace_links.Traces(
            "Jobs that failed for this reason",
            trace_links.WORKER,
            operation="job",
            tags=f"error.type={trace_links.label('job_failure_reason')}",
        ),
    ),
    Graph(
        title="Queue time",
        description="From submission to the first claim. Long: all workers are busy, see Workers; long for the large "
        "queue alone is by design, small jobs go first.",
        unit="s",
        series={
            "{{job_queue}} p50": quantile(0.5, "job_queue_duration_seconds", "job_queue"),
            "{{job_queue}} p95": quantile(0.95, "job_queue_duration_seconds", "job_queue"),
        },
        traces=trace_links.BY_QUEUE,
    ),
    Graph(
        title="Run time",
        description="From the first claim to the final state, of jobs that succeeded. Longer than tasks take: segments "
        "wait for each other, or were lost and done again.",
        unit="s",
        series={
            "{{job_queue}} p50": quantile(0.5, _RUN, "job_queue", matchers=_DONE),
            "{{job_queue}} p95": quantile(0.95, _RUN, "job_queue", matchers=_DONE),
        },
        traces=trace_links.BY_QUEUE,
    ),
    Graph(
        title="From submission to final state, p95",
        description="By queue and by how jobs ended. FAILED that is long has used up its attempts; CANCELLED tells how "
        "long clients have patience.",
        unit="s",
        series={"{{job_queue}} {{job_status}}": quantile(0.95, _JOB, "job_queue", "job_status")},
        traces=trace_links.BY_QUEUE,
    ),
)

_LIVE = (
    Graph(
        title="Open subscriptions",
        description="By field. They fall to none when an API process goes; if they don't return, clients do not "
        "subscribe again.",
        unit="short",
        series={
            "{{graphql_root_field}}": or_zero(
                gauge_sum("graphql_server_active_subscriptions", "graphql_root_field"), graphql_root_field="none"
            ),
        },
        traces=trace_links.DELIVERIES,
        width=6,
    ),
    Graph(
        title="Subscriptions ended",
        description="A second, by field; those with an error are named. Many short ones: clients subscribe again and "
        "again, see whether a proxy cuts them off.",
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
    Graph(
        title="Event lag",
        description="From the commit of a change to its delivery to a subscriber. Rising: the API's process is full, "
        "or subscribers are slow to take; add API processes.",
        unit="s",
        series=quantiles("job_event_lag_seconds"),
        traces=trace_links.DELIVERIES,
        width=6,
    ),
    Graph(
        title="Events delivered and folded",
        description="A second. Folded are states that a subscriber was spared, having been sent a newer one: many are "
        "slow clients, and no loss. Reconnects of the feed should be none: the broker cuts connections.",
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

BOARD = Board(
    "jobs-and-queue",
    "Jobs and queue",
    "Objectives first, then whether anything was lost, what waits, what comes and goes, and who is told.",
    {
        "Objectives": slo_panels.OBJECTIVES,
        "Nothing is lost": slo_panels.NOTHING_IS_LOST,
        "Backlog": _BACKLOG,
        "Flow": _FLOW,
        "Live updates": _LIVE,
    },
)
