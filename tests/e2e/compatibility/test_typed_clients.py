"""Typed clients generated from the printed schema: relay-compiler and graphql-codegen for TypeScript, ariadne-codegen.

For each, a file usage.* in tests/e2e/clients uses the types and marks the errors that a type checker must report. A
missing error fails the check too.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.compatibility.installs import python_environment
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System

# The first test may have to install the packages.
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def python() -> Path:
    return python_environment(ROOT / "tests/e2e/clients/ariadne/requirements-ariadne-codegen.lock")


@pytest.fixture(scope="module")
def ariadne(clients: Path, python: Path) -> Path:
    """The folder with the generated package."""
    run([str(python.with_name("ariadne-codegen")), "--config", "ariadne/ariadne-codegen.toml"], clients)
    return clients / "ariadne"


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def type_check(clients: Path, folder: str) -> None:
    settings = {"extends": "./tsconfig.json", "include": [folder]}
    (clients / f"tsconfig.{folder}.json").write_text(json.dumps(settings), encoding="utf-8")
    run(["node_modules/.bin/tsc", "--project", f"tsconfig.{folder}.json"], clients)


def test_relay_project_compiles_and_type_checks(clients: Path) -> None:
    assert "Compilation completed" in run(["node_modules/.bin/relay-compiler", "relay/relay.config.json"], clients)
    type_check(clients, "relay")


def test_graphql_codegen_types_check(clients: Path) -> None:
    run(["node_modules/.bin/graphql-codegen", "--config", "codegen.json"], clients)
    type_check(clients, "typed")


def test_generated_python_client_type_checks(ariadne: Path, python: Path) -> None:
    # Errors in the generated code are not reported.
    mypy = ["-m", "mypy", "--strict", "--follow-imports=silent", "--config-file="]
    run([str(python), *mypy, "usage.py"], ariadne)


def test_generated_python_client_submits_follows_and_pages(ariadne: Path, python: Path, system: System) -> None:
    received = json.loads(run([str(python), "usage.py", system.graphql], ariadne))
    assert received["statuses"][-1] == "SUCCEEDED"
    assert received["values"] == [101, 103, 107, 109, 113, 127, 131, 137, 139, 149]
    assert received["bounds"] == [1, 100_000_000]
    assert received["is_young"]
