"""The first rows of the dashboard Jobs and queue: service level objectives and reliability."""

from __future__ import annotations

from observability.grafana import objectives, trace_links
from observability.grafana.panels import Stat, Thresholds, TimeSeries
from observability.grafana.queries import or_zero, quantiles, saturation, store_increase

_OBJECTIVE_THRESHOLDS = Thresholds.low_is_bad(objectives.OBJECTIVE + objectives.BUDGET / 2, objectives.OBJECTIVE)
_BURN_THRESHOLDS = Thresholds.high_is_bad(1, objectives.SLOW_BURN)
_LATE_BURN = objectives.burn_rate(f"1 - {objectives.on_time_share('1h')}")

OBJECTIVES = (
    Stat(
        title="Small jobs within 250 ms",
        description="Share of small jobs that were final within 250 ms of submission; the objective is 99 %. Below it, "
        "compare queue time and run time further down.",
        unit="percentunit",
        series={"on time": objectives.on_time_share()},
        traces=trace_links.LATE_JOBS,
        thresholds=_OBJECTIVE_THRESHOLDS,
    ),
    Stat(
        title="Succeeded",
        description="Share of finished jobs that succeeded, without cancelled ones; the objective is 99 %. Below it, "
        "see Failures by reason.",
        unit="percentunit",
        series={"succeeded": f"1 - {objectives.failed_share()}"},
        traces=trace_links.FAILED_JOBS,
        thresholds=_OBJECTIVE_THRESHOLDS,
    ),
    Stat(
        title="Burn rate, late jobs",
        description="How many times faster than allowed the last hour used the error budget for late jobs. At 1 the "
        "budget of a month lasts a month; from 6 on an alert fires.",
        unit="none",
        series={"burn": _LATE_BURN},
        traces=trace_links.LATE_JOBS,
        thresholds=_BURN_THRESHOLDS,
    ),
    Stat(
        title="Burn rate, failed jobs",
        description="How many times faster than allowed the last hour used the error budget for failed jobs. From 6 on "
        "an alert fires; see Failures by reason.",
        unit="none",
        series={"burn": objectives.burn_rate(objectives.failed_share("1h"))},
        traces=trace_links.FAILED_JOBS,
        thresholds=_BURN_THRESHOLDS,
    ),
    Stat(
        title="Saturation",
        description="Open jobs divided by capacity. At 100 % submissions are rejected: add workers before that.",
        unit="percentunit",
        series={"open": saturation()},
        traces=trace_links.JOBS,
        thresholds=Thresholds.high_is_bad(0.5, 0.8),
    ),
    Stat(
        title="Alerts",
        description="Firing alerts. Each has a section in docs/runbook.md with the steps to take.",
        unit="none",
        series={"firing": 'count(ALERTS{alertstate="firing"}) or vector(0)'},
        traces=None,
        thresholds=Thresholds.high_is_bad(1, 1),
    ),
    TimeSeries(
        title="Time to final state, small jobs",
        description="From submission to the final state; the red line is the objective. Median above it: add workers. "
        "Only p95 or p99 above it: small jobs wait for other small jobs, or the processor is busy.",
        unit="s",
        series=quantiles("job_duration_seconds", objectives.SMALL_JOBS),
        traces=trace_links.LATE_JOBS,
        thresholds=Thresholds.high_is_bad(objectives.SMALL_JOB_SECONDS, objectives.SMALL_JOB_SECONDS),
    ),
    TimeSeries(
        title="Objectives over time",
        description="Share of small jobs on time and of jobs succeeded; the lines are the objectives. A short dip only "
        "uses error budget; a lasting one needs action.",
        unit="percentunit",
        series={"within 250 ms": objectives.on_time_share(), "succeeded": f"1 - {objectives.failed_share()}"},
        traces=trace_links.LATE_JOBS,
        thresholds=_OBJECTIVE_THRESHOLDS,
    ),
    TimeSeries(
        title="Error budget burn rate",
        description="Burn rates as the alerts evaluate them: over one hour, and over five minutes to detect the end. "
        "Above 14.4 in both, a critical alert fires.",
        unit="none",
        series={
            "late, 1 h": _LATE_BURN,
            "late, 5 min": objectives.burn_rate(f"1 - {objectives.on_time_share('5m')}"),
            "failed, 1 h": objectives.burn_rate(objectives.failed_share("1h")),
            "failed, 5 min": objectives.burn_rate(objectives.failed_share("5m")),
        },
        traces=trace_links.FAILED_JOBS,
        thresholds=Thresholds.high_is_bad(objectives.SLOW_BURN, objectives.FAST_BURN),
    ),
)

RELIABILITY = (
    TimeSeries(
        title="Leases expired",
        description="Segments whose worker stopped extending its lease, within one interval. Zero in a healthy system; "
        "otherwise a worker was killed or is too busy to send heartbeats.",
        unit="short",
        series={"expired": or_zero(store_increase("segment_leases_expired_total"))},
        traces=trace_links.LOST_ATTEMPTS,
        thresholds=Thresholds.high_is_bad(1, 5),
    ),
    TimeSeries(
        title="Messages resent",
        description="Messages that were lost or whose lease expired, and were sent again, within one interval. Many "
        "without expired leases: the broker loses messages.",
        unit="short",
        series={"resent": or_zero(store_increase("segment_messages_resent_total"))},
        traces=trace_links.LOST_ATTEMPTS,
        thresholds=Thresholds.high_is_bad(1, 5),
    ),
    TimeSeries(
        title="Late writes refused",
        description="Writes refused because the worker no longer held the lease, within one interval. Cancelled jobs "
        "cause some; others mean that LEASE_SECONDS is too short or that workers were suspended.",
        unit="short",
        series={
            "{{segment_operation}}": or_zero(
                store_increase("segment_writes_fenced_total", "segment_operation"), segment_operation="none"
            ),
        },
        traces=trace_links.LOST_ATTEMPTS,
    ),
)
