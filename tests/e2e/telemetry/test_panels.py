"""Every query of every dashboard, executed against a store that watches a busy system."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.e2e.telemetry import watched
from tests.e2e.telemetry.stack import telemetry_stack
from tests.observability.queries import every_query
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.telemetry.stack import Stack

RATE_INTERVAL = "30s"


def test_every_panel_has_data_while_people_are_at_it(tmp_path: Path) -> None:
    """With the load test running, as all four dashboards are meant for; and nothing else that could fill a panel."""
    with telemetry_stack(tmp_path / "stack") as stack, watched.watched_system(stack, tmp_path) as url:
        watched.load(url, turns=15)
        arguments = ["light", "--host", url, "--users", "12", "--run-time", "45s", "--report", str(tmp_path / "report")]
        command = [sys.executable, "-m", "loadtest", *arguments]
        environment = os.environ | watched.telling(stack)
        with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as people:
            empty = every_query(RATE_INTERVAL)
            assert len(empty) > 100
            while empty and people.poll() is None:
                empty = [query for query in empty if not has_data(stack, query.expression)]
            output, _ = people.communicate(timeout=90)
    assert empty == []
    assert " jobs in " in output, output
    # How fast people were served is for a machine of their own to tell.
    assert [line for line in output.splitlines() if line.startswith("BROKEN") and "p95" not in line] == [], output


def has_data(stack: Stack, expression: str) -> bool:
    points = [value for series in stack.query(expression) for _, value in series.points]
    return any(not math.isnan(value) for value in points)
