"""Every example of the documentation, run as it says: it follows a job to its end and prints the primes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from tests.e2e.compatibility.installs import npm_project, python_environment
from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.authenticated import AuthenticatedSystem

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


@dataclass(frozen=True, slots=True)
class Server:
    """Whom the examples talk to, and what gets them in."""

    url: str
    key: str | None


@pytest.fixture(params=["open", "authenticated"])
def server(request: pytest.FixtureRequest) -> Server:
    """One that asks nobody who is there, and one that does."""
    if request.param == "open":
        return Server(request.getfixturevalue("system").url, None)
    authenticated: AuthenticatedSystem = request.getfixturevalue("authenticated")
    return Server(authenticated.system.url, authenticated.alice)


def run(command: list[str], folder: Path, server: Server) -> list[str]:
    """The lines that an example prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if server.key is not None:
        environment["PRIMES_KEY"] = server.key
    command = [*command, server.url]
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
def test_an_example_in_javascript(name: str, javascript: Path, server: Server) -> None:
    follows_to_the_primes(run(["node", name], javascript, server))


@pytest.mark.parametrize("name", names("curl", "*.sh"))
def test_an_example_with_curl(name: str, server: Server) -> None:
    follows_to_the_primes(run(["sh", name], EXAMPLES / "curl", server))


def test_the_example_with_httpx(server: Server) -> None:
    follows_to_the_primes(run([sys.executable, "follow_httpx.py"], EXAMPLES / "python", server))


def test_the_example_with_gql_in_an_environment_of_its_own(gql_python: Path, server: Server) -> None:
    follows_to_the_primes(run([str(gql_python), "follow_gql.py"], EXAMPLES / "python", server))


def test_the_manual_names_every_example() -> None:
    manual = MANUAL.read_text(encoding="utf-8")
    found = {f"examples/{kind}/{name}" for kind in ("javascript", "curl", "python") for name in names(kind, "*.*")}
    programs = {name for name in found if name.endswith((".mjs", ".sh", ".py"))}
    assert len(programs) == 8
    assert [name for name in sorted(programs) if name not in manual] == []
