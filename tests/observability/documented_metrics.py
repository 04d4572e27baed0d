"""The metrics listed in docs/observability.md, by their documented and their stored names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

from tests.programs import ROOT

# An attribute, and the description of its values.
_ATTRIBUTE = re.compile(r"`(\w+(?:\.\w+)+)`(?: \(([^)]*)\))?")

_UNITS = {"s": "_seconds", "ms": "_milliseconds", "By": "_bytes"}

# The collector's own metrics as of 0.155, whose counters lack _total.
COLLECTOR_COUNTERS = {
    f"otelcol_{what}_{kind}"
    for what in (
        "receiver_accepted",
        "receiver_refused",
        "exporter_sent",
        "exporter_send_failed",
        "exporter_enqueue_failed",
    )
    for kind in ("spans", "metric_points")
}
COLLECTOR_GAUGES = {"otelcol_exporter_queue_size", "otelcol_exporter_queue_capacity"}
COLLECTOR_LABELS = {"exporter", "receiver", "data_type"}


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    kind: str
    labels: frozenset[str]
    from_store: bool

    @property
    def series(self) -> set[str]:
        """The names of its stored series."""
        return (
            {f"{self.name}_{part}" for part in ("bucket", "sum", "count")} if self.kind == "histogram" else {self.name}
        )

    @property
    def is_cumulative(self) -> bool:
        return self.kind in {"counter", "histogram"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table by its documented name. Attribute values are None unless the row lists them all."""

    name: str
    kind: str
    unit: str
    attributes: dict[str, frozenset[str] | None]
    buckets: str
    reported_by: str


@cache
def rows() -> dict[str, Row]:
    """The table by metric name."""
    found = {}
    for name, form, attributes, buckets, reported_by in _cells():
        kind, unit = _form(form)
        words = dict(_ATTRIBUTE.findall(attributes))
        found[name.strip("`")] = Row(
            name.strip("`"), kind, unit, {key: _words(text) for key, text in words.items()}, buckets, reported_by
        )
    return found


@cache
def metrics() -> dict[str, Metric]:
    """The metrics by the name of each stored series."""
    rows = _cells()
    found = {series: metric for row in rows for metric in [_metric(*row)] for series in metric.series}
    assert len(found) > len(rows) > 30, "table of metrics not found in docs/observability.md"
    for name in COLLECTOR_COUNTERS | COLLECTOR_GAUGES:
        kind = "counter" if name in COLLECTOR_COUNTERS else "gauge"
        found[name] = Metric(name, kind, frozenset(COLLECTOR_LABELS), from_store=False)
    return found


def _cells() -> list[list[str]]:
    table = (ROOT / "docs/observability.md").read_text(encoding="utf-8")
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines() if row.startswith("| `")]


def _form(form: str) -> tuple[str, str]:
    return re.match(r"(histogram|up-down counter|counter|gauge), (\{\w+\}|\w+)", form).groups()  # type: ignore[return-value, union-attr] # fails the test if there is no match


def _words(text: str) -> frozenset[str] | None:
    """The listed values; None when they are described instead."""
    listed = text.rpartition("; ")[2].split(", ")
    return frozenset(listed) if all(re.fullmatch(r"\w+", word) for word in listed) else None


def _metric(name: str, form: str, attributes: str, _buckets: str, reported_by: str) -> Metric:
    kind, unit = _form(form)
    stored = name.strip("`").replace(".", "_") + _UNITS.get(unit, "") + ("_total" if kind == "counter" else "")
    labels = frozenset(label.replace(".", "_") for label in re.findall(r"`(\w+(?:\.\w+)+)`", attributes))
    return Metric(stored, kind, labels, reported_by == "store")
