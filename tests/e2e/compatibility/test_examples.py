"""Runs every example of docs/clients.md: each follows a job to its final state and prints the primes."""

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
CLIENTS_PAGE = ROOT / "docs/clients.md"

# The first test of a kind may have to install its packages.
pytestmark = pytest.mark.timeout(240)

# Seconds for one example.
EXAMPLE_SECONDS = 90
TEN_PRIMES = "2 3 5 7 11 13 17 19 23 29"


@pytest.fixture(scope="session")
def javascript(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return npm_project(EXAMPLES / "javascript", tmp_path_factory.mktemp("examples") / "javascript")


@pytest.fixture(scope="session")
def gql_python() -> Path:
    return python_environment(EXAMPLES / "python/requirements-gql.lock")


def example_names(kind: str, pattern: str) -> list[str]:
    return sorted(path.name for path in (EXAMPLES / kind).glob(pattern))


@dataclass(frozen=True, slots=True)
class Server:
    """The server of the examples, and an API key if it requires authentication."""

    url: str
    key: str | None


@pytest.fixture(params=["open", "authenticated"])
def server(request: pytest.FixtureRequest) -> Server:
    """A server without authentication, and one that requires API keys."""
    if request.param == "open":
        return Server(request.getfixturevalue("system").url, None)
    authenticated: AuthenticatedSystem = request.getfixturevalue("authenticated")
    return Server(authenticated.system.url, authenticated.alice)


def run(command: list[str], folder: Path, server: Server) -> list[str]:
    """Run an example. Returns the lines that it prints."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if server.key is not None:
        environment["PRIMES_KEY"] = server.key
    command = [*command, server.url]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=EXAMPLE_SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    return done.stdout.splitlines()


def assert_succeeded_with_primes(printed: list[str]) -> None:
    *states, primes = printed
    assert "SUCCEEDED" in "".join(states)
    assert primes == TEN_PRIMES


@pytest.mark.parametrize("name", example_names("javascript", "*.mjs"))
def test_javascript_example(name: str, javascript: Path, server: Server) -> None:
    assert_succeeded_with_primes(run(["node", name], javascript, server))


@pytest.mark.parametrize("name", example_names("curl", "*.sh"))
def test_curl_example(name: str, server: Server) -> None:
    assert_succeeded_with_primes(run(["sh", name], EXAMPLES / "curl", server))


def test_httpx_example(server: Server) -> None:
    assert_succeeded_with_primes(run([sys.executable, "follow_httpx.py"], EXAMPLES / "python", server))


def test_gql_example_in_a_separate_environment(gql_python: Path, server: Server) -> None:
    assert_succeeded_with_primes(run([str(gql_python), "follow_gql.py"], EXAMPLES / "python", server))


def test_documentation_names_every_example() -> None:
    page = CLIENTS_PAGE.read_text(encoding="utf-8")
    found = {
        f"examples/{kind}/{name}" for kind in ("javascript", "curl", "python") for name in example_names(kind, "*.*")
    }
    programs = {name for name in found if name.endswith((".mjs", ".sh", ".py"))}
    assert len(programs) == 8
    assert [name for name in sorted(programs) if name not in page] == []
