"""The forms that queries take, by who tells a metric; names and labels are those of docs/observability.md.

Processes count what they did themselves: that is added up. What the job store counts is the same from every API
process: one is taken.
"""

from __future__ import annotations

_RATE = "[$__rate_interval]"

# A gauge is known for five minutes after its process ended; processes tell each 10 s.
_ALIVE = "[45s]"

# The attributes of what the job store counts, and so of one series of it, whoever tells it.
_STORE_COUNTERS = {
    "job_submissions_total": ("job_queue", "job_outcome"),
    "job_finished_total": ("job_queue", "job_status", "job_failure_reason"),
    "segment_claims_total": ("job_queue",),
    "segment_leases_expired_total": (),
    "segment_messages_resent_total": (),
    "segment_writes_fenced_total": ("segment_operation",),
}


def rate(counter: str, *by: str) -> str:
    """Per second, of all processes together. The counter may have matchers: `name{label="value"}`."""
    return f"sum{_by(*by)} (rate({counter}{_RATE}))"


def share(counter: str, matchers: str) -> str:
    """How much of what is counted has these labels; none of it is zero."""
    return f"({rate(f'{counter}{_braces(matchers)}')} or vector(0)) / {rate(counter)}"


def store_rate(counter: str, *by: str, window: str = "$__rate_interval") -> str:
    """Per second, of what the job store counts."""
    return f"sum{_by(*by)} ({_one_of_each(counter)} (rate({counter}[{window}])))"


def store_increase(counter: str, *by: str) -> str:
    """How many within one interval: for what is rare."""
    return f"sum{_by(*by)} ({_one_of_each(counter)} (increase({counter}{_RATE})))"


def store_gauge(gauge: str, *by: str) -> str:
    """What the job store holds now."""
    return f"max{_by(*by)} (last_over_time({gauge}{_ALIVE}))"


def saturation() -> str:
    """Open jobs, of as many as may be open."""
    return f"sum({store_gauge('job_open', 'job_status')}) / {store_gauge('job_capacity')}"


def gauge_sum(gauge: str, *by: str) -> str:
    """What the living processes have now, together."""
    return f"sum{_by(*by)} (last_over_time({gauge}{_ALIVE}))"


def quantile(q: float, histogram: str, *by: str, matchers: str = "") -> str:
    """A quantile of all processes' measurements."""
    return f"histogram_quantile({q}, sum{_by('le', *by)} (rate({histogram}_bucket{_braces(matchers)}{_RATE})))"


def quantiles(histogram: str, matchers: str = "") -> dict[str, str]:
    """The three that every duration is shown by, by their legends."""
    return {f"p{q * 100:.0f}": quantile(q, histogram, matchers=matchers) for q in (0.5, 0.95, 0.99)}


def or_zero(expression: str, **label: str) -> str:
    """Zero where there is nothing, as of errors that never happened; a label gives that zero its legend."""
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
