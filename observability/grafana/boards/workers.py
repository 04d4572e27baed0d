"""Those who do the work, and the telemetry that tells of them."""

from __future__ import annotations

from observability.grafana import trace_links
from observability.grafana.panels import Board, Graph, Levels, Number
from observability.grafana.queries import or_zero, quantile, quantiles, rate, share, store_gauge, store_rate

_TASK = "messaging_process_duration_seconds"
_QUEUE = "messaging_destination_name"
_BUSY = Levels.up_to(0.7, 0.9)
_UTILISATION = f"({rate(f'{_TASK}_sum')} or vector(0)) / clamp_min({store_gauge('worker_processes')}, 1)"

_NOW = (
    Number(
        title="Workers",
        description="Workers seen within the last seconds, by the job store. Fewer than were started: see their logs.",
        unit="none",
        series={"workers": store_gauge("worker_seen")},
        traces=trace_links.TASKS,
        levels=Levels.down_to(1, 1),
    ),
    Number(
        title="Processes",
        description="How many tasks they can do at once, together. None: nothing is done, start a worker.",
        unit="none",
        series={"processes": store_gauge("worker_processes")},
        traces=trace_links.TASKS,
        levels=Levels.down_to(1, 1),
    ),
    Number(
        title="Utilisation",
        description="The share of their time that processes spend in tasks. Above 90 % jobs wait: add workers.",
        unit="percentunit",
        series={"busy": _UTILISATION},
        traces=trace_links.TASKS,
        levels=_BUSY,
    ),
    Number(
        title="Tasks",
        description="Tasks a second, of all outcomes. None while messages wait: workers are stuck or gone.",
        unit="cps",
        series={"tasks": or_zero(rate(f"{_TASK}_count"))},
        traces=trace_links.TASKS,
    ),
    Number(
        title="Tasks failed",
        description="The share of tasks that ended in an error of their own. Above 5 % someone is told; the worker's "
        "log has the reason by trace id.",
        unit="percentunit",
        series={"failed": share(f"{_TASK}_count", 'task_outcome="failed"')},
        traces=trace_links.Traces("Tasks that failed", trace_links.WORKER, tags="error=true"),
        levels=Levels.up_to(0.01, 0.05),
    ),
    Number(
        title="Primes",
        description="Primes computed and kept, a second, by all workers.",
        unit="cps",
        series={"primes": or_zero(rate("prime_computed_total"))},
        traces=trace_links.COMPUTATIONS,
    ),
)

_TASKS = (
    Graph(
        title="Tasks by outcome",
        description="A second: done; stale (there was nothing left to claim); late (the result was refused); failed. "
        "Much stale: messages come twice; much late: leases are too short.",
        unit="cps",
        series={"{{task_outcome}}": rate(f"{_TASK}_count", "task_outcome")},
        traces=trace_links.TASKS,
        stacked=True,
    ),
    Graph(
        title="Utilisation",
        description="Time in tasks over time there is. Above the red line for long, jobs wait: add workers; low while "
        "jobs wait: workers do not take from that queue.",
        unit="percentunit",
        series={"busy": _UTILISATION},
        traces=trace_links.TASKS,
        levels=_BUSY,
    ),
    Graph(
        title="Utilisation by process",
        description="One line for each worker process. One at 100 % beside idle ones has a long task: follow its "
        "traces.",
        unit="percentunit",
        series={"{{service_instance_id}}": rate(f"{_TASK}_sum", "service_instance_id")},
        traces=trace_links.Traces(
            "Tasks of this process",
            trace_links.WORKER,
            tags=f"service.instance.id={trace_links.label('service_instance_id')}",
        ),
    ),
    Graph(
        title="Task duration by queue",
        description="Small jobs should take milliseconds, segments of large ones up to seconds. When small ones grow, "
        "processors are shared with too many.",
        unit="s",
        series={
            f"{{{{{_QUEUE}}}}} p50": quantile(0.5, f"{_TASK}", _QUEUE),
            f"{{{{{_QUEUE}}}}} p95": quantile(0.95, f"{_TASK}", _QUEUE),
        },
        traces=trace_links.BY_DESTINATION,
    ),
    Graph(
        title="Task duration",
        description="Median and tails of all tasks. Tails beyond the lease (LEASE_SECONDS) are held by heartbeats: see "
        "that no leases expire.",
        unit="s",
        series=quantiles(_TASK),
        traces=trace_links.TASKS,
    ),
    Graph(
        title="Claims by queue",
        description="Segments that workers took on, a second, as the job store counted. More than tasks done: attempts "
        "are lost and made again.",
        unit="cps",
        series={"{{job_queue}}": or_zero(store_rate("segment_claims_total", "job_queue"), job_queue="none")},
        traces=trace_links.BY_QUEUE,
    ),
)

_PRIMES = (
    Graph(
        title="Primes computed",
        description="Primes computed and kept, a second, by process. Uneven lines: processes of unequal processors.",
        unit="cps",
        series={"{{service_instance_id}}": rate("prime_computed_total", "service_instance_id")},
        traces=trace_links.COMPUTATIONS,
        stacked=True,
    ),
    Graph(
        title="Bytes stored",
        description="What results take in the store, a second. Times RESULT_TTL_SECONDS it is the room that the store "
        "needs: compare with its memory.",
        unit="Bps",
        series={"stored": or_zero(rate("prime_stored_bytes_total"))},
        traces=trace_links.COMPUTATIONS,
    ),
    Graph(
        title="Bytes a prime",
        description="About one, since gaps are kept and not numbers. More: primes are larger or jobs very small.",
        unit="bytes",
        series={"bytes": f"{rate('prime_stored_bytes_total')} / {rate('prime_computed_total')}"},
        traces=trace_links.COMPUTATIONS,
    ),
)


def _collector(metrics: dict[str, str], *by: str) -> dict[str, str]:
    """Counters of the collector's own, zero where it has not counted yet. They end in no _total."""
    labels = " ".join(f"{{{{{name}}}}}" for name in by)
    return {
        f"{legend} {labels}".strip(): or_zero(rate(name, *by), **dict.fromkeys(by[:1], ""))
        for legend, name in metrics.items()
    }


_PIPELINE = (
    Graph(
        title="Telemetry received",
        description="Spans and points that came to the collector, a second. None: processes do not reach it, see "
        "OTEL_EXPORTER_OTLP_ENDPOINT.",
        unit="cps",
        series=_collector(
            {"spans": "otelcol_receiver_accepted_spans", "points": "otelcol_receiver_accepted_metric_points"}
        ),
        traces=None,
        width=6,
    ),
    Graph(
        title="Telemetry refused",
        description="What the collector did not take, a second: its memory is at its limit. Give it more, or sample "
        "fewer traces.",
        unit="cps",
        series=_collector(
            {"spans": "otelcol_receiver_refused_spans", "points": "otelcol_receiver_refused_metric_points"}
        ),
        traces=None,
        levels=Levels.up_to(1, 10),
        width=6,
    ),
    Graph(
        title="Telemetry lost on the way out",
        description="What could not be sent on or not be queued, a second. The store behind that exporter is down or "
        "refuses: see the collector's log.",
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
        levels=Levels.up_to(1, 10),
        width=6,
    ),
    Graph(
        title="Collector's queues",
        description="How full the queue of each exporter is. Filling: its store is slow or down; what does not fit "
        "is lost.",
        unit="percentunit",
        series={
            "{{exporter}} {{data_type}}": "max by (exporter, data_type) (otelcol_exporter_queue_size)"
            " / max by (exporter, data_type) (otelcol_exporter_queue_capacity)",
        },
        traces=None,
        levels=Levels.up_to(0.5, 0.8),
        width=6,
    ),
)

BOARD = Board(
    "workers",
    "Workers",
    "How many there are, how busy they are, what they do, and whether telemetry arrives.",
    {"Now": _NOW, "Tasks": _TASKS, "Primes": _PRIMES, "Telemetry": _PIPELINE},
)
