"""Building blocks of PromQL queries. docs/observability.md lists metrics and labels.

Metrics of a process count its own work and are summed. Metrics of the job store have the same value in every API
process, so `max` takes one of them.
"""

from __future__ import annotations

_RATE = "[$__rate_interval]"

# Processes export every 10 s; without a range a gauge would remain for five minutes after its process ended.
_RECENT = "[45s]"

# The labels of the job store's counters: each combination is one series, exported by every API process.
_STORE_COUNTERS = {
    "job_submissions_total": ("job_queue", "job_outcome"),
    "job_finished_total": ("job_queue", "job_status", "job_failure_reason"),
    "segment_claims_total": ("job_queue",),
    "segment_leases_expired_total": (),
    "segment_messages_resent_total": (),
    "segment_writes_fenced_total": ("segment_operation",),
}


def rate(counter: str, *by: str) -> str:
    """Rate per second, summed over processes. The counter may have matchers: `name{label="value"}`."""
    return f"sum{_by(*by)} (rate({counter}{_RATE}))"


def share(counter: str, matchers: str) -> str:
    """Share of a counter's increase that has these labels; zero without matching series."""
    return f"({rate(f'{counter}{_braces(matchers)}')} or vector(0)) / {rate(counter)}"


def store_rate(counter: str, *by: str, window: str = "$__rate_interval") -> str:
    """Rate per second of a counter of the job store."""
    return f"sum{_by(*by)} ({_one_of_each(counter)} (rate({counter}[{window}])))"


def store_increase(counter: str, *by: str) -> str:
    """Increase within one interval of a counter of the job store, for rare events."""
    return f"sum{_by(*by)} ({_one_of_each(counter)} (increase({counter}{_RATE})))"


def store_gauge(gauge: str, *by: str) -> str:
    """Current value of a gauge of the job store."""
    return f"max{_by(*by)} (last_over_time({gauge}{_RECENT}))"


def saturation() -> str:
    """Open jobs divided by the capacity."""
    return f"sum({store_gauge('job_open', 'job_status')}) / {store_gauge('job_capacity')}"


def gauge_sum(gauge: str, *by: str) -> str:
    """Current value of a gauge, summed over running processes."""
    return f"sum{_by(*by)} (last_over_time({gauge}{_RECENT}))"


def quantile(q: float, histogram: str, *by: str, matchers: str = "") -> str:
    """A quantile over the measurements of all processes."""
    return f"histogram_quantile({q}, sum{_by('le', *by)} (rate({histogram}_bucket{_braces(matchers)}{_RATE})))"


def quantiles(histogram: str, matchers: str = "") -> dict[str, str]:
    """Median, p95 and p99 by legend."""
    return {f"p{q * 100:.0f}": quantile(q, histogram, matchers=matchers) for q in (0.5, 0.95, 0.99)}


def or_zero(expression: str, **label: str) -> str:
    """Zero while the expression has no series, such as errors that never occurred; `label` sets its legend."""
    zero = "vector(0)"
    for name, value in label.items():
        zero = f'label_replace({zero}, "{name}", "{value}", "", "")'
    return f"{expression} or on () {zero}"


def _one_of_each(counter: str) -> str:
    return f"max{_by(*_STORE_COUNTERS[counter.partition('{')[0]])}"


def _by(*labels: str) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _braces(matchers: str) -> str:
    return f"{{{matchers}}}" if matchers else ""
