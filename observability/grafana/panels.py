"""The kinds of panels, with one look for all dashboards. Each builds itself with Grafana's SDK."""

from __future__ import annotations

from dataclasses import dataclass
from string import ascii_uppercase
from typing import TYPE_CHECKING, TypeVar

from grafana_foundation_sdk.builders import common, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import ThresholdsConfig
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    ScaleDistribution,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataSourceRef, Threshold, ThresholdsMode
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from observability.grafana import data_sources

if TYPE_CHECKING:
    from collections.abc import Mapping

    from observability.grafana.trace_links import TraceSearch

_SOURCE = DataSourceRef("prometheus", data_sources.METRICS)
_HEIGHT = 8
_NUMBER_HEIGHT = 4

# The SDK's builders share methods but have no common base class.
_Builder = TypeVar("_Builder", timeseries.Panel, stat.Panel, heatmap.Panel)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Colours of a panel by value. Each step is a lower bound with its colour; the first has no bound."""

    steps: tuple[tuple[float | None, str], ...]

    @classmethod
    def high_is_bad(cls, warning: float, critical: float) -> Thresholds:
        """Green below `warning`, orange below `critical`, red from there on."""
        return cls(((None, "green"), (warning, "orange"), (critical, "red")))

    @classmethod
    def low_is_bad(cls, warning: float, critical: float) -> Thresholds:
        """Red below `critical`, orange below `warning`, green from there on."""
        return cls(((None, "red"), (critical, "orange"), (warning, "green")))

    def builder(self) -> ThresholdsConfig:
        """The SDK's builder."""
        steps = [Threshold(value, colour) for value, colour in self.steps]
        return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


_NO_THRESHOLDS = Thresholds(((None, "green"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What all panels have in common.

    Args:
        description: what the panel shows, and what to do when the values are bad.
        unit: Grafana's name of the unit.
        series: queries by legend, which may contain labels: {{job_queue}}.
        traces: the search for traces that a click opens.
        width: number of columns; a dashboard has 24.
    """

    title: str
    description: str
    unit: str
    series: Mapping[str, str]
    traces: TraceSearch | None
    thresholds: Thresholds | None = None
    width: int = 8

    def builder(self) -> timeseries.Panel | stat.Panel | heatmap.Panel:
        """The SDK's builder of this panel."""
        raise NotImplementedError

    def _configure(self, builder: _Builder, form: PromQueryFormat = PromQueryFormat.TIME_SERIES) -> _Builder:
        builder.title(self.title).description(self.description).unit(self.unit).datasource(_SOURCE).span(self.width)
        for ref_id, (legend, expression) in zip(ascii_uppercase, self.series.items(), strict=False):
            target = prometheus.Dataquery().ref_id(ref_id).expr(expression).legend_format(legend).range()
            builder.with_target(target.format(form).datasource(_SOURCE))
        if self.traces is not None:
            builder.data_links([self.traces.link()])
        return builder.thresholds((self.thresholds or _NO_THRESHOLDS).builder())


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeSeries(Panel):
    """Lines over time on an axis that starts at zero. Thresholds are dashed lines."""

    stacked: bool = False

    def builder(self) -> timeseries.Panel:
        """The SDK's builder of this panel."""
        legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
        tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        built = (
            self._configure(timeseries.Panel())
            .height(_HEIGHT)
            .min(0)
            .legend(legend.show_legend(True).calcs(["mean", "max", "lastNotNull"]))
            .tooltip(tooltip)
            .show_points(VisibilityMode.NEVER)
            .line_width(1)
            .fill_opacity(40 if self.stacked else 8)
        )
        if self.stacked:
            built.stacking(common.StackingConfig().mode(StackingMode.NORMAL))
        if self.thresholds is not None:
            built.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
        return built


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat(Panel):
    """The newest value in large type, above its recent history."""

    width: int = 4

    def builder(self) -> stat.Panel:
        """The SDK's builder of this panel."""
        return (
            self._configure(stat.Panel())
            .height(_NUMBER_HEIGHT)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .graph_mode(BigValueGraphMode.AREA)
            .color_mode(BigValueColorMode.VALUE)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Heatmap(Panel):
    """A histogram over time: the number of measurements in each bucket."""

    def builder(self) -> heatmap.Panel:
        """The SDK's builder of this panel."""
        return (
            self._configure(heatmap.Panel(), PromQueryFormat.HEATMAP)
            .height(_HEIGHT)
            .calculate(False)
            .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Spectral").steps(64))
            .y_axis(heatmap.YAxisConfig().unit(self.unit))
            .show_y_histogram()
            .scale_distribution(common.ScaleDistributionConfig().type(ScaleDistribution.LINEAR))
        )


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard: rows of panels by row title."""

    uid: str
    title: str
    description: str
    rows: Mapping[str, tuple[Panel, ...]]
