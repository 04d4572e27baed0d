"""The dashboard about workers: utilisation, tasks, primes, and the telemetry pipeline."""

from __future__ import annotations

from observability.grafana import trace_links
from observability.grafana.panels import Dashboard, Stat, Thresholds, TimeSeries
from observability.grafana.queries import or_zero, quantile, quantiles, rate, share, store_gauge, store_rate

_TASK = "messaging_process_duration_seconds"
_QUEUE = "messaging_destination_name"
_UTILISATION_THRESHOLDS = Thresholds.high_is_bad(0.7, 0.9)
_UTILISATION = f"({rate(f'{_TASK}_sum')} or vector(0)) / clamp_min({store_gauge('worker_processes')}, 1)"

_NOW = (
    Stat(
        title="Workers",
        description="Workers with a recent heartbeat in the job store. Fewer than were started: see their logs.",
        unit="none",
        series={"workers": store_gauge("worker_seen")},
        traces=trace_links.TASKS,
        thresholds=Thresholds.low_is_bad(1, 1),
    ),
    Stat(
        title="Processes",
        description="Tasks that all workers together can run at once. Zero: start a worker.",
        unit="none",
        series={"processes": store_gauge("worker_processes")},
        traces=trace_links.TASKS,
        thresholds=Thresholds.low_is_bad(1, 1),
    ),
    Stat(
        title="Utilisation",
        description="Share of time that worker processes spend in tasks. Above 90 % jobs wait: add workers.",
        unit="percentunit",
        series={"busy": _UTILISATION},
        traces=trace_links.TASKS,
        thresholds=_UTILISATION_THRESHOLDS,
    ),
    Stat(
        title="Tasks",
        description="Tasks per second, of all outcomes. Zero while messages wait: workers are stuck or stopped.",
        unit="cps",
        series={"tasks": or_zero(rate(f"{_TASK}_count"))},
        traces=trace_links.TASKS,
    ),
    Stat(
        title="Tasks failed",
        description="Share of tasks that ended with an exception. Above 5 % an alert fires; the worker's log has the "
        "reason by trace id.",
        unit="percentunit",
        series={"failed": share(f"{_TASK}_count", 'task_outcome="failed"')},
        traces=trace_links.TraceSearch("Failed tasks", trace_links.WORKER, tags="error=true"),
        thresholds=Thresholds.high_is_bad(0.01, 0.05),
    ),
    Stat(
        title="Primes",
        description="Primes computed and stored per second by all workers.",
        unit="cps",
        series={"primes": or_zero(rate("prime_computed_total"))},
        traces=trace_links.COMPUTATIONS,
    ),
)

_TASKS = (
    TimeSeries(
        title="Tasks by outcome",
        description="Tasks per second. stale: nothing was left to claim; late: the result was refused. Many stale: "
        "messages are delivered twice; many late: LEASE_SECONDS is too short.",
        unit="cps",
        series={"{{task_outcome}}": rate(f"{_TASK}_count", "task_outcome")},
        traces=trace_links.TASKS,
        stacked=True,
    ),
    TimeSeries(
        title="Utilisation",
        description="Share of time spent in tasks. Long above the red line: add workers. Low while jobs wait: workers "
        "do not take from that queue.",
        unit="percentunit",
        series={"busy": _UTILISATION},
        traces=trace_links.TASKS,
        thresholds=_UTILISATION_THRESHOLDS,
    ),
    TimeSeries(
        title="Utilisation by process",
        description="One line for each worker process. One at 100 % while others are idle runs a long task: follow its "
        "traces.",
        unit="percentunit",
        series={"{{service_instance_id}}": rate(f"{_TASK}_sum", "service_instance_id")},
        traces=trace_links.TraceSearch(
            "Tasks of this process",
            trace_links.WORKER,
            tags=f"service.instance.id={trace_links.label('service_instance_id')}",
        ),
    ),
    TimeSeries(
        title="Task duration by queue",
        description="Small jobs should take milliseconds, segments of large jobs up to seconds. If small ones grow, "
        "too many processes share the processor.",
        unit="s",
        series={
            f"{{{{{_QUEUE}}}}} p50": quantile(0.5, f"{_TASK}", _QUEUE),
            f"{{{{{_QUEUE}}}}} p95": quantile(0.95, f"{_TASK}", _QUEUE),
        },
        traces=trace_links.BY_DESTINATION,
    ),
    TimeSeries(
        title="Task duration",
        description="Median, p95 and p99 of all tasks. Tasks longer than LEASE_SECONDS depend on heartbeats to keep "
        "their lease: check that no leases expire.",
        unit="s",
        series=quantiles(_TASK),
        traces=trace_links.TASKS,
    ),
    TimeSeries(
        title="Claims by queue",
        description="Segments claimed per second, as the job store counted them. More than completed tasks: attempts "
        "are lost and repeated.",
        unit="cps",
        series={"{{job_queue}}": or_zero(store_rate("segment_claims_total", "job_queue"), job_queue="none")},
        traces=trace_links.BY_QUEUE,
    ),
)

_PRIMES = (
    TimeSeries(
        title="Primes computed",
        description="Primes computed and stored per second, by process. Uneven lines: the processors differ in speed.",
        unit="cps",
        series={"{{service_instance_id}}": rate("prime_computed_total", "service_instance_id")},
        traces=trace_links.COMPUTATIONS,
        stacked=True,
    ),
    TimeSeries(
        title="Bytes stored",
        description="Bytes of results stored per second. Multiplied by RESULT_TTL_SECONDS it is the space that results "
        "need: compare with the store's memory.",
        unit="Bps",
        series={"stored": or_zero(rate("prime_stored_bytes_total"))},
        traces=trace_links.COMPUTATIONS,
    ),
    TimeSeries(
        title="Bytes per prime",
        description="About one, because gaps between primes are stored. Higher: primes are larger or jobs very small.",
        unit="bytes",
        series={"bytes": f"{rate('prime_stored_bytes_total')} / {rate('prime_computed_total')}"},
        traces=trace_links.COMPUTATIONS,
    ),
)


def _collector(metrics: dict[str, str], *by: str) -> dict[str, str]:
    """Rates of the collector's own counters, whose names lack _total; zero before the first increment."""
    labels = " ".join(f"{{{{{name}}}}}" for name in by)
    return {
        f"{legend} {labels}".strip(): or_zero(rate(name, *by), **dict.fromkeys(by[:1], ""))
        for legend, name in metrics.items()
    }


_PIPELINE = (
    TimeSeries(
        title="Telemetry received",
        description="Spans and points received by the collector, per second. Zero: processes do not reach it, check "
        "OTEL_EXPORTER_OTLP_ENDPOINT.",
        unit="cps",
        series=_collector(
            {"spans": "otelcol_receiver_accepted_spans", "points": "otelcol_receiver_accepted_metric_points"}
        ),
        traces=None,
        width=6,
    ),
    TimeSeries(
        title="Telemetry refused",
        description="Spans and points that the collector refused, per second, because it reached its memory limit. "
        "Raise the limit, or sample fewer traces.",
        unit="cps",
        series=_collector(
            {"spans": "otelcol_receiver_refused_spans", "points": "otelcol_receiver_refused_metric_points"}
        ),
        traces=None,
        thresholds=Thresholds.high_is_bad(1, 10),
        width=6,
    ),
    TimeSeries(
        title="Telemetry export failures",
        description="Spans and points per second that could not be queued or sent. The store of that exporter is down "
        "or refuses them: see the collector's log.",
        unit="cps",
        series=_collector(
            {
                "spans not sent": "otelcol_exporter_send_failed_spans",
                "points not sent": "otelcol_exporter_send_failed_metric_points",
                "spans not queued": "otelcol_exporter_enqueue_failed_spans",
                "points not queued": "otelcol_exporter_enqueue_failed_metric_points",
            },
        ),
        traces=None,
        thresholds=Thresholds.high_is_bad(1, 10),
        width=6,
    ),
    TimeSeries(
        title="Collector queues",
        description="Fill level of each exporter's queue. Rising: its store is slow or down. Data that does not fit is "
        "lost.",
        unit="percentunit",
        series={
            "{{exporter}} {{data_type}}": "max by (exporter, data_type) (otelcol_exporter_queue_size)"
            " / max by (exporter, data_type) (otelcol_exporter_queue_capacity)",
        },
        traces=None,
        thresholds=Thresholds.high_is_bad(0.5, 0.8),
        width=6,
    ),
)

DASHBOARD = Dashboard(
    "workers",
    "Workers",
    "Number of workers, utilisation, tasks, primes, and the telemetry pipeline.",
    {"Now": _NOW, "Tasks": _TASKS, "Primes": _PRIMES, "Telemetry": _PIPELINE},
)
