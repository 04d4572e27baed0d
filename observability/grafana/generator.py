"""From the descriptions of the dashboards to files: laid out, numbered and the same each time."""

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

    from observability.grafana.panels import Board

BOARDS = (prime_generator.BOARD, jobs_and_queue.BOARD, workers.BOARD, load_test.BOARD)

# By this tag each dashboard links to the others.
_TAG = "primes"

# Of what differs, as much as tells what kind of change it is.
_LINES_SHOWN = 20


def write(folder: Path) -> None:
    """Write every dashboard, and remove those that are no more."""
    folder.mkdir(exist_ok=True)
    wanted = files()
    for path in folder.glob("*.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


def differences(folder: Path) -> list[str]:
    """What `write` would change, as lines of a diff; empty when nothing."""
    wanted = files()
    present = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
    lines: list[str] = []
    for name in sorted(wanted.keys() | present.keys()):
        before, after = (text.get(name, "").splitlines() for text in (present, wanted))
        diff = list(difflib.unified_diff(before, after, f"{name} (on disk)", f"{name} (generated)", n=0, lineterm=""))
        lines += diff[:_LINES_SHOWN]
        if len(diff) > _LINES_SHOWN:
            lines.append(f"... and {len(diff) - _LINES_SHOWN} lines more in {name}")
    return lines


def files() -> dict[str, str]:
    """The text of each file, by its name."""
    return {f"{board.uid}.json": json.dumps(render(board), indent=2, sort_keys=True) + "\n" for board in BOARDS}


def render(board: Board) -> dict[str, Any]:
    """One dashboard, as Grafana reads it."""
    built: dict[str, Any] = json.loads(json.dumps(_lay_out(board).build(), cls=JSONEncoder))
    # Neither the numbers of panels nor the titles of annotations are the builder's to give.
    for number, panel in enumerate(built["panels"], start=1):
        panel["id"] = number
    built["annotations"] = {"list": [mark.annotation() for mark in ANNOTATIONS]}
    return built


def _lay_out(board: Board) -> dashboard.Dashboard:
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
