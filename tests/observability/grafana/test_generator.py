"""Generation of the dashboards, and the check that the files are up to date."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from observability.grafana import __main__ as command
from observability.grafana import generator
from tests.observability.queries import DASHBOARDS
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def test_the_committed_dashboards_are_up_to_date() -> None:
    assert generator.differences(DASHBOARDS) == []


def test_the_check_passes_as_a_command() -> None:
    """In a new process, because the iteration order of sets differs between processes."""
    command = [sys.executable, "-m", "observability.grafana", "--check"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_a_difference_is_printed_and_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    generator.write(tmp_path)
    path = tmp_path / "workers.json"
    path.write_text(path.read_text().replace('"Workers"', '"Slackers"'))
    monkeypatch.setattr(sys, "argv", ["grafana", "--check"])
    assert command.main(tmp_path) == 1
    output = capsys.readouterr().out
    assert '-  "title": "Slackers",' in output
    assert '+  "title": "Workers",' in output
    assert "python -m observability.grafana" in output


@pytest.mark.parametrize("name", ["workers.json", "renamed.json"])
def test_a_missing_or_additional_file_is_a_difference(tmp_path: Path, name: str) -> None:
    generator.write(tmp_path)
    path = tmp_path / name
    if path.exists():
        path.unlink()
    else:
        path.write_text("{}\n")
    assert any(name in line for line in generator.differences(tmp_path))


def test_writing_adds_and_removes_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "renamed.json").write_text("{}\n")
    monkeypatch.setattr(sys, "argv", ["grafana"])
    assert command.main(tmp_path) == 0
    monkeypatch.setattr(sys, "argv", ["grafana", "--check"])
    assert command.main(tmp_path) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in DASHBOARDS.iterdir())
    assert capsys.readouterr().out == ""


def test_panel_ids_are_unique() -> None:
    for board in generator.DASHBOARDS:
        ids = [panel["id"] for panel in generator.render(board)["panels"]]
        assert len(ids) > 10
        assert len(set(ids)) == len(ids)
        assert 0 not in ids
