"""The printed schema and the example documents, under the rules of graphql-eslint: recommended, and Relay's."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# The first of them may have to install the packages.
pytestmark = pytest.mark.timeout(240)


def eslint(project: Path, *names: str) -> subprocess.CompletedProcess[str]:
    command = ["node_modules/.bin/eslint", "--max-warnings", "0", *names]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(clients: Path) -> Path:
    shutil.copytree(ROOT / "examples/javascript", clients / "examples", dirs_exist_ok=True)
    return clients


def test_the_schema_keeps_the_recommended_rules_and_relays(project: Path) -> None:
    linted = eslint(project, "schema.graphql")
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_the_documents_keep_the_recommended_rules(project: Path) -> None:
    linted = eslint(project, "operations", "examples")
    assert (linted.returncode, linted.stdout, linted.stderr) == (0, "", "")


def test_the_rules_are_on(project: Path, tmp_path: Path) -> None:
    """A schema that breaks five of them is told all five."""
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
    said = eslint(other, "schema.graphql").stdout
    assert set(re.findall(r"@graphql-eslint/(\S+)", said)) == {
        "relay-connection-types",
        "relay-page-info",
        "relay-arguments",
        "naming-convention",
        "require-description",
    }
