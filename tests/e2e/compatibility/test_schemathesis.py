"""Requests that Schemathesis generates from the OpenAPI document and the schema: none may cause a server error."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.e2e.compatibility.installs import python_environment
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System

# The first test may have to install the packages.
pytestmark = pytest.mark.timeout(240)

SOURCE = ROOT / "tests/e2e/clients/schemathesis"
SEEDS = [1, 2]


@pytest.fixture(scope="module")
def schemathesis() -> Path:
    return python_environment(SOURCE / "requirements-schemathesis.lock").with_name("schemathesis")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of its configuration, beside which Schemathesis writes files."""
    return shutil.copytree(SOURCE, tmp_path / "schemathesis")


def run(folder: Path, command: list[str], **environment: str) -> str:
    """Run it. Returns the report of a run without failures."""
    options = ["--generation-database", "none", "--no-color"]
    done = subprocess.run(
        [*command, *options], cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False,
        timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_rest_responds_as_its_openapi_document_describes(
    schemathesis: Path, folder: Path, system: System, known: bool, seed: int
) -> None:
    job_id = httpx.post(f"{system.url}/generate?n=10").json()["request_id"] if known else "nothing"
    httpx.get(f"{system.url}/status/{job_id}", headers={"Prefer": "wait=20"}, timeout=30)
    phases = ["--phases", "examples,coverage,fuzzing", "--max-examples", "40", "--seed", str(seed)]
    command = [str(schemathesis), "--config-file", "rest.toml", "run", f"{system.url}/openapi.json", *phases]
    assert "Tested: 5" in run(folder, command, JOB_ID=job_id)


@pytest.mark.parametrize("seed", SEEDS)
def test_graphql_refusals_have_expected_error_codes(
    schemathesis: Path, folder: Path, system: System, seed: int
) -> None:
    checks = ["--checks", "errors_are_expected", "--max-examples", "30", "--seed", str(seed)]
    output = run(folder, [str(schemathesis), "run", system.graphql, *checks], SCHEMATHESIS_HOOKS="hooks")
    assert "Tested: 9" in output
