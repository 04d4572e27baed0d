"""Without authentication the API starts on the loopback address only, unless AUTHENTICATION=none."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from gql.server.binding import is_loopback, require_loopback
from tests import programs
from tests.programs import ROOT, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey

ANYWHERE = "0.0.0.0"  # noqa: S104 - refused in these tests


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", ANYWHERE, "::", "192.168.1.1", "fe80::1%eth0", "no.such.name.invalid"])
def test_hosts_that_other_machines_can_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "arguments",
    [
        ["/x/bin/uvicorn", "gql.app:app"],
        ["/x/bin/uvicorn", "gql.app:app", "--host", "127.0.0.1", "--workers", "2", "--no-server-header"],
        ["/x/uvicorn/__main__.py", "gql.app:app", "--host=::1"],
        ["/x/bin/uvicorn", "gql.app:app", "--uds", "/tmp/socket", "--host", ANYWHERE],  # noqa: S108 - not created
        ["/x/bin/pytest", "--host", ANYWHERE],
        [],
    ],
)
def test_start_is_allowed(arguments: list[str]) -> None:
    require_loopback(arguments)


@pytest.mark.parametrize(
    "arguments", [["--host", ANYWHERE], [f"--host={ANYWHERE}", "--reload"], ["--host", "::", "--workers", "3"]]
)
@pytest.mark.parametrize("program", ["/x/bin/uvicorn", "/x/uvicorn/__main__.py"])
def test_start_on_another_address_is_refused(program: str, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match=r"would be reachable on .* without authentication"):
        require_loopback([program, "gql.app:app", *arguments])


def test_environment_variables_of_uvicorn_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UVICORN_HOST", ANYWHERE)
    with pytest.raises(SystemExit, match=r"would be reachable on .* without authentication"):
        require_loopback(["uvicorn", "gql.app:app"])


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "uvicorn", "gql.app:app", "--host", ANYWHERE],
        ["-m", "gql.local"],
    ],
    ids=["uvicorn", "make run"],
)
def test_refusal_is_one_line(tmp_path: Path, command: list[str]) -> None:
    environment = os.environ | {"HOST": ANYWHERE, "PORT": str(free_port()), "DATA_DIR": str(tmp_path)}
    if "uvicorn" in command:
        command = [*command, "--port", environment["PORT"]]
    ended = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"error: The API would be reachable on {ANYWHERE} without authentication. Set AUTHENTICATION=keys"
    )
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("authentication", ["none", "keys"])
def test_configured_authentication_allows_any_address(
    valkey: Valkey, prefix: str, tmp_path: Path, authentication: str
) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "gql.app:app", "--host", ANYWHERE, "--port", str(port)]
    environment = {"REDIS_URL": valkey.url, "KEY_PREFIX": prefix, "AUTHENTICATION": authentication}

    def is_ready() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=1).is_success
        except httpx.TransportError:
            return False

    with programs.running(command, tmp_path, is_ready, **environment):
        answer = httpx.post(f"http://127.0.0.1:{port}/generate?n=1")
    assert answer.status_code == (200 if authentication == "none" else 401)
