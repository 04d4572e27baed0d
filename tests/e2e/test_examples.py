"""Every example of the documentation, run as it says: it follows a job to its end and prints the primes."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.e2e.installs import npm_project, python_environment
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System

EXAMPLES = ROOT / "examples"
MANUAL = ROOT / "docs/clients.md"

# The first of a kind may have to install its packages.
pytestmark = pytest.mark.timeout(240)

# An example prints what the job became and its primes, or fails.
EXAMPLE_SECONDS = 30
TEN = "2 3 5 7 11 13 17 19 23 29"


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm_project(EXAMPLES / "javascript", tmp_path_factory.mktemp("examples") / "javascript")


@pytest.fixture(scope="session")
def gql_python() -> Path:
    return python_environment(EXAMPLES / "python/requirements-gql.lock")


def names(kind: str, pattern: str) -> list[str]:
    return sorted(path.name for path in (EXAMPLES / kind).glob(pattern))


def run(command: list[str], folder: Path) -> list[str]:
    """The lines that an example prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=EXAMPLE_SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.splitlines()


def follows_to_the_primes(printed: list[str]) -> None:
    *states, primes = printed
    assert "SUCCEEDED" in "".join(states)
    assert primes == TEN


@pytest.mark.parametrize("name", names("javascript", "*.mjs"))
def test_an_example_in_javascript(name: str, javascript: Path, system: System) -> None:
    follows_to_the_primes(run(["node", name, system.url], javascript))


@pytest.mark.parametrize("name", names("curl", "*.sh"))
def test_an_example_with_curl(name: str, system: System) -> None:
    follows_to_the_primes(run(["sh", name, system.url], EXAMPLES / "curl"))


def test_the_example_with_httpx(system: System) -> None:
    follows_to_the_primes(run([sys.executable, "follow_httpx.py", system.url], EXAMPLES / "python"))


def test_the_example_with_gql_in_an_environment_of_its_own(gql_python: Path, system: System) -> None:
    follows_to_the_primes(run([str(gql_python), "follow_gql.py", system.url], EXAMPLES / "python"))


def test_the_manual_names_every_example() -> None:
    manual = MANUAL.read_text(encoding="utf-8")
    found = {f"examples/{kind}/{name}" for kind in ("javascript", "curl", "python") for name in names(kind, "*.*")}
    programs = {name for name in found if name.endswith((".mjs", ".sh", ".py"))}
    assert len(programs) == 8
    assert [name for name in sorted(programs) if name not in manual] == []
