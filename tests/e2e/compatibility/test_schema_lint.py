"""The printed schema and the example documents, linted with graphql-eslint's recommended and Relay rules."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# The first test may have to install the packages.
pytestmark = pytest.mark.timeout(240)


def eslint(project: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = ["node_modules/.bin/eslint", "--max-warnings", "0", *names]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(clients: Path) -> Path:
    shutil.copytree(ROOT / "examples/javascript", clients / "examples", dirs_exist_ok=True)
    return clients


def test_schema_follows_the_recommended_and_relay_rules(project: Path) -> None:
    linted = eslint(project, "schema.graphql")
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_documents_follow_the_recommended_rules(project: Path) -> None:
    linted = eslint(project, "operations", "examples")
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_rules_are_enabled(project: Path, tmp_path: Path) -> None:
    """A schema that violates five rules is reported for all five."""
    broken = (ROOT / "schema/schema.graphql").read_text(encoding="utf-8")
    for old, new in (
        ("  pageInfo: PageInfo!", "  page: PageInfo!"),
        ("  endCursor: String\n", "  endCursor: Int!\n"),
        ("    after: String = null", "    behind: String = null"),
        ("  QUEUED\n", "  queued\n"),
        ('"""A job in a page."""\n', ""),
    ):
        assert old in broken
        broken = broken.replace(old, new, 1)
    other = shutil.copytree(project, tmp_path / "project", symlinks=True)
    (other / "schema.graphql").write_text(broken, encoding="utf-8")
    output = eslint(other, "schema.graphql").stdout
    assert set(re.findall(r"@graphql-eslint/(\S+)", output)) == {
        "relay-connection-types",
        "relay-page-info",
        "relay-arguments",
        "naming-convention",
        "require-description",
    }
