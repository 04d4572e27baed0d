"""Renders the dashboards as JSON files: panels laid out and numbered, output deterministic."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DashboardLinkType

from observability.grafana.annotations import ANNOTATIONS
from observability.grafana.boards import jobs_and_queue, load_test, prime_generator, workers

if TYPE_CHECKING:
    from pathlib import Path

    from observability.grafana.panels import Dashboard

DASHBOARDS = (prime_generator.DASHBOARD, jobs_and_queue.DASHBOARD, workers.DASHBOARD, load_test.DASHBOARD)

# The dashboards link to all others with this tag.
_TAG = "primes"

# Lines of a diff that are printed for each file.
_MAX_DIFF_LINES = 20


def write(folder: Path) -> None:
    """Write every dashboard, and remove files of dashboards that no longer exist."""
    folder.mkdir(exist_ok=True)
    expected = files()
    for path in folder.glob("*.json"):
        if path.name not in expected:
            path.unlink()
    for name, text in expected.items():
        (folder / name).write_text(text, encoding="utf-8")


def differences(folder: Path) -> list[str]:
    """What `write` would change, as lines of a diff; empty when the files are up to date."""
    expected = files()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    lines: list[str] = []
    for name in sorted(expected.keys() | present.keys()):
        before, after = (text.get(name, "").splitlines() for text in (present, expected))
        diff = list(difflib.unified_diff(before, after, f"{name} (on disk)", f"{name} (generated)", n=0, lineterm=""))
        lines += diff[:_MAX_DIFF_LINES]
        if len(diff) > _MAX_DIFF_LINES:
            lines.append(f"... and {len(diff) - _MAX_DIFF_LINES} more lines in {name}")
    return lines


def files() -> dict[str, str]:
    """The content of each file by name."""
    return {f"{board.uid}.json": json.dumps(render(board), indent=2, sort_keys=True) + "\n" for board in DASHBOARDS}


def render(board: Dashboard) -> dict[str, Any]:
    """A dashboard in Grafana's JSON model."""
    built: dict[str, Any] = json.loads(json.dumps(_lay_out(board).build(), cls=JSONEncoder))
    # The SDK's builder sets neither panel ids nor titles of annotations.
    for number, panel in enumerate(built["panels"], start=1):
        panel["id"] = number
    built["annotations"] = {"list": [annotation.to_json() for annotation in ANNOTATIONS]}
    return built


def _lay_out(board: Dashboard) -> dashboard.Dashboard:
    others = dashboard.DashboardLink("Dashboards").type(DashboardLinkType.DASHBOARDS).tags([_TAG])
    built = (
        dashboard.Dashboard(board.title)
        .uid(board.uid)
        .description(board.description)
        .tags([_TAG])
        .timezone("browser")
        .time("now-30m", "now")
        .refresh("10s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(others.as_dropdown(False).keep_time(True))
    )
    for title, panels in board.rows.items():
        built.with_row(dashboard.Row(title))
        for panel in panels:
            built.with_panel(panel.builder())
    return built
