"""Dependencies that were found to be harmful once are locked at versions that no longer are."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.programs import ROOT

FLOORS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
@pytest.mark.parametrize("floor", [Requirement(floor) for floor in FLOORS], ids=str)
def test_nothing_older_is_locked(floor: Requirement, lock: str) -> None:
    locked = re.findall(rf"^{re.escape(floor.name)}(?:\[.*\])?==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE)
    assert all(version in floor.specifier for version in locked)
    assert locked or lock == "requirements.lock"


def test_each_has_its_reason() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    assert all(re.search(r"# CVE-\d{4}-\d+: \w", next(line for line in lines if floor in line)) for floor in FLOORS)
