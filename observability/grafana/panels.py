"""Kinds of panels, each as a description that knows how to build itself: one look for all dashboards."""

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

    from observability.grafana.trace_links import Traces

_SOURCE = DataSourceRef("prometheus", data_sources.METRICS)
_HEIGHT = 8
_NUMBER_HEIGHT = 4

# Of SDK builders, which share their methods but no base class.
_Builder = TypeVar("_Builder", timeseries.Panel, stat.Panel, heatmap.Panel)


@dataclass(frozen=True, slots=True)
class Levels:
    """From which values on a panel takes which colour; the first step has no beginning."""

    steps: tuple[tuple[float | None, str], ...]

    @classmethod
    def up_to(cls, warning: float, bad: float) -> Levels:
        """High values are bad."""
        return cls(((None, "green"), (warning, "orange"), (bad, "red")))

    @classmethod
    def down_to(cls, warning: float, bad: float) -> Levels:
        """Low values are bad."""
        return cls(((None, "red"), (bad, "orange"), (warning, "green")))

    def builder(self) -> ThresholdsConfig:
        """For the SDK."""
        steps = [Threshold(value, colour) for value, colour in self.steps]
        return ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)


_NO_LEVELS = Levels(((None, "green"),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What all panels have.

    Args:
        description: what it shows, and what to do when that looks bad.
        unit: Grafana's name of it.
        series: queries by their legends, which may name labels: {{job_queue}}.
        traces: where a click leads.
        width: of the 24 columns of a dashboard.
    """

    title: str
    description: str
    unit: str
    series: Mapping[str, str]
    traces: Traces | None
    levels: Levels | None = None
    width: int = 8

    def builder(self) -> timeseries.Panel | stat.Panel | heatmap.Panel:
        """For the SDK."""
        raise NotImplementedError

    def _dress(self, builder: _Builder, form: PromQueryFormat = PromQueryFormat.TIME_SERIES) -> _Builder:
        builder.title(self.title).description(self.description).unit(self.unit).datasource(_SOURCE).span(self.width)
        for ref_id, (legend, expression) in zip(ascii_uppercase, self.series.items(), strict=False):
            target = prometheus.Dataquery().ref_id(ref_id).expr(expression).legend_format(legend).range()
            builder.with_target(target.format(form).datasource(_SOURCE))
        if self.traces is not None:
            builder.data_links([self.traces.link()])
        return builder.thresholds((self.levels or _NO_LEVELS).builder())


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph(Panel):
    """Lines over time, from zero on. Levels are drawn as dashed lines."""

    stacked: bool = False

    def builder(self) -> timeseries.Panel:
        """For the SDK."""
        legend = common.VizLegendOptions().display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.BOTTOM)
        tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        built = (
            self._dress(timeseries.Panel())
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
        if self.levels is not None:
            built.thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED))
        return built


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Panel):
    """The newest value, large, above its recent course."""

    width: int = 4

    def builder(self) -> stat.Panel:
        """For the SDK."""
        return (
            self._dress(stat.Panel())
            .height(_NUMBER_HEIGHT)
            .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
            .graph_mode(BigValueGraphMode.AREA)
            .color_mode(BigValueColorMode.VALUE)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap(Panel):
    """A histogram over time: how many measurements fell into each bucket."""

    def builder(self) -> heatmap.Panel:
        """For the SDK."""
        return (
            self._dress(heatmap.Panel(), PromQueryFormat.HEATMAP)
            .height(_HEIGHT)
            .calculate(False)
            .color(heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Spectral").steps(64))
            .y_axis(heatmap.YAxisConfig().unit(self.unit))
            .show_y_histogram()
            .scale_distribution(common.ScaleDistributionConfig().type(ScaleDistribution.LINEAR))
        )


@dataclass(frozen=True, slots=True)
class Board:
    """One dashboard: rows of panels by their titles."""

    uid: str
    title: str
    description: str
    rows: Mapping[str, tuple[Panel, ...]]
