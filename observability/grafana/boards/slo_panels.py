"""Whether promises are kept, and whether anything was lost: the first rows of jobs and queue."""

from __future__ import annotations

from observability.grafana import objectives, trace_links
from observability.grafana.panels import Graph, Levels, Number
from observability.grafana.queries import or_zero, quantiles, saturation, store_increase

_GOOD_SHARE = Levels.down_to(objectives.OBJECTIVE + objectives.BUDGET / 2, objectives.OBJECTIVE)
_BURN = Levels.up_to(1, objectives.SLOW_BURN)
_LATE = objectives.burn(f"1 - {objectives.jobs_in_time('1h')}")

OBJECTIVES = (
    Number(
        title="Within 250 ms",
        description="Small jobs that were final within 250 ms of their submission; 99 % should be. Less: see whether "
        "they waited (queue time) or ran long (run time) below.",
        unit="percentunit",
        series={"in time": objectives.jobs_in_time()},
        traces=trace_links.SLOW_JOBS,
        levels=_GOOD_SHARE,
    ),
    Number(
        title="Succeeded",
        description="Jobs that succeeded, of those that succeeded or failed; 99 % should. Less: Failures by reason "
        "below says why.",
        unit="percentunit",
        series={"succeeded": f"1 - {objectives.jobs_failed()}"},
        traces=trace_links.FAILED_JOBS,
        levels=_GOOD_SHARE,
    ),
    Number(
        title="Burn, late jobs",
        description="How many times faster than allowed the last hour used up the budget of late jobs. At 1 it lasts "
        "just as long as it should; from 6 on someone is told.",
        unit="none",
        series={"burn": _LATE},
        traces=trace_links.SLOW_JOBS,
        levels=_BURN,
    ),
    Number(
        title="Burn, failed jobs",
        description="How many times faster than allowed the last hour used up the budget of failed jobs. From 6 on "
        "someone is told; see Failures by reason.",
        unit="none",
        series={"burn": objectives.burn(objectives.jobs_failed("1h"))},
        traces=trace_links.FAILED_JOBS,
        levels=_BURN,
    ),
    Number(
        title="Saturation",
        description="Open jobs, of as many as may be open. At 100 % submissions are refused: add workers before that.",
        unit="percentunit",
        series={"open": saturation()},
        traces=trace_links.JOBS,
        levels=Levels.up_to(0.5, 0.8),
    ),
    Number(
        title="Alerts",
        description="Alerts that are firing now. Each has a section in docs/runbook.md that says what to do.",
        unit="none",
        series={"firing": 'count(ALERTS{alertstate="firing"}) or vector(0)'},
        traces=None,
        levels=Levels.up_to(1, 1),
    ),
    Graph(
        title="From submission to final state, small jobs",
        description="What a client waits for, with the objective as the red line. The median above it: workers are too "
        "few; the tail alone: small jobs behind others of their kind, or a busy processor.",
        unit="s",
        series=quantiles("job_duration_seconds", objectives.SMALL_JOBS),
        traces=trace_links.SLOW_JOBS,
        levels=Levels.up_to(objectives.JOB_SECONDS, objectives.JOB_SECONDS),
    ),
    Graph(
        title="Share in time, and share succeeded",
        description="Both objectives over time; the line is what is promised. A dip that recovers costs budget only; "
        "one that stays is worked on.",
        unit="percentunit",
        series={"within 250 ms": objectives.jobs_in_time(), "succeeded": f"1 - {objectives.jobs_failed()}"},
        traces=trace_links.SLOW_JOBS,
        levels=_GOOD_SHARE,
    ),
    Graph(
        title="Error budget burn",
        description="Budget used, in multiples of what is allowed, as the alerts see it: over an hour, and over five "
        "minutes to see it end. 14.4 over both wakes someone.",
        unit="none",
        series={
            "late, 1 h": _LATE,
            "late, 5 min": objectives.burn(f"1 - {objectives.jobs_in_time('5m')}"),
            "failed, 1 h": objectives.burn(objectives.jobs_failed("1h")),
            "failed, 5 min": objectives.burn(objectives.jobs_failed("5m")),
        },
        traces=trace_links.FAILED_JOBS,
        levels=Levels.up_to(objectives.SLOW_BURN, objectives.FAST_BURN),
    ),
)

NOTHING_IS_LOST = (
    Graph(
        title="Leases expired",
        description="Segments whose worker fell silent, within one interval. None in a healthy system: otherwise a "
        "worker was killed, or is too busy to say that it lives.",
        unit="short",
        series={"expired": or_zero(store_increase("segment_leases_expired_total"))},
        traces=trace_links.LOST_ATTEMPTS,
        levels=Levels.up_to(1, 5),
    ),
    Graph(
        title="Messages sent again",
        description="Messages that had vanished or whose lease ran out, within one interval. They are how nothing is "
        "lost; many without expired leases: the broker loses messages.",
        unit="short",
        series={"resent": or_zero(store_increase("segment_messages_resent_total"))},
        traces=trace_links.LOST_ATTEMPTS,
        levels=Levels.up_to(1, 5),
    ),
    Graph(
        title="Late writes refused",
        description="Writes of workers that had lost their segment, within one interval. Cancelled jobs cause some; "
        "beyond those, leases are too short for what is computed, or workers stop and go.",
        unit="short",
        series={
            "{{segment_operation}}": or_zero(
                store_increase("segment_writes_fenced_total", "segment_operation"), segment_operation="none"
            ),
        },
        traces=trace_links.LOST_ATTEMPTS,
    ),
)
