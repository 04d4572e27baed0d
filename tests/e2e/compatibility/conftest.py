"""The Node project that the tests of JavaScript clients and tools share."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.e2e.compatibility.installs import npm_project
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of tests/e2e/clients with its packages installed, and the printed schema in it."""
    project = npm_project(ROOT / "tests/e2e/clients", tmp_path_factory.mktemp("clients") / "project")
    shutil.copy(ROOT / "schema/schema.graphql", project)
    return project
