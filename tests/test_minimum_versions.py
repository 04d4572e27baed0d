"""No lock contains a version with a known vulnerability: pyproject.toml lists the minimum versions."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement

from tests.programs import ROOT

MINIMUMS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["uv"]["constraint-dependencies"]


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
@pytest.mark.parametrize("minimum", [Requirement(minimum) for minimum in MINIMUMS], ids=str)
def test_locked_version_is_not_older(minimum: Requirement, lock: str) -> None:
    locked = re.findall(rf"^{re.escape(minimum.name)}(?:\[.*\])?==([^ ;]+)", (ROOT / lock).read_text(), re.MULTILINE)
    assert all(version in minimum.specifier for version in locked)
    assert locked or lock == "requirements.lock"


def test_each_minimum_names_its_advisory() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    commented = [next(line for line in lines if minimum in line) for minimum in MINIMUMS]
    assert all(re.search(r"# CVE-\d{4}-\d+: \w", line) for line in commented)
