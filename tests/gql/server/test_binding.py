"""Open to all is what the API is on the loopback address; elsewhere it does not start unless it was told to."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gql.middleware.loopback_only import LoopbackOnlyMiddleware
from gql.server.binding import check_start, is_loopback
from tests import programs
from tests.programs import ROOT, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey

ANYWHERE = "0.0.0.0"  # noqa: S104 - what is refused here


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_these_are_this_machine_s_own(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", ANYWHERE, "::", "192.168.1.1", "fe80::1%eth0", "no.such.name.invalid"])
def test_these_are_reached_by_others(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "arguments",
    [
        ["/x/bin/uvicorn", "gql.app:app"],
        ["/x/bin/uvicorn", "gql.app:app", "--host", "127.0.0.1", "--workers", "2", "--no-server-header"],
        ["/x/uvicorn/__main__.py", "gql.app:app", "--host=::1"],
        ["/x/bin/uvicorn", "gql.app:app", "--uds", "/tmp/socket", "--host", ANYWHERE],  # noqa: S108 - is not made
        ["/x/bin/pytest", "--host", ANYWHERE],
        [],
    ],
)
def test_so_it_may_start(arguments: list[str]) -> None:
    check_start(arguments)


@pytest.mark.parametrize(
    "arguments", [["--host", ANYWHERE], [f"--host={ANYWHERE}", "--reload"], ["--host", "::", "--workers", "3"]]
)
@pytest.mark.parametrize("program", ["/x/bin/uvicorn", "/x/uvicorn/__main__.py"])
def test_so_it_may_not(program: str, arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="would be open to all"):
        check_start([program, "gql.app:app", *arguments])


def test_uvicorn_s_own_variables_count_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UVICORN_HOST", ANYWHERE)
    with pytest.raises(SystemExit, match="would be open to all"):
        check_start(["uvicorn", "gql.app:app"])


@pytest.mark.parametrize(
    "command",
    [
        ["-m", "uvicorn", "gql.app:app", "--host", ANYWHERE],
        ["-m", "gql.local"],
    ],
    ids=["by hand", "make run"],
)
def test_it_says_so_in_one_line(tmp_path: Path, command: list[str]) -> None:
    environment = os.environ | {"HOST": ANYWHERE, "PORT": str(free_port()), "DATA_DIR": str(tmp_path)}
    if "uvicorn" in command:
        command = [*command, "--port", environment["PORT"]]
    ended = subprocess.run(
        [sys.executable, *command], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"error: the API would be open to all on {ANYWHERE}: set AUTHENTICATION=keys")
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("how", ["none", "keys"])
def test_it_starts_where_it_was_told_what_to_do(valkey: Valkey, prefix: str, tmp_path: Path, how: str) -> None:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "gql.app:app", "--host", ANYWHERE, "--port", str(port)]
    environment = {"REDIS_URL": valkey.url, "KEY_PREFIX": prefix, "AUTHENTICATION": how}

    def answers() -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{port}/livez", timeout=1).is_success
        except httpx.TransportError:
            return False

    with programs.running(command, tmp_path, answers, **environment):
        answer = httpx.post(f"http://127.0.0.1:{port}/generate?n=1")
    assert answer.status_code == (200 if how == "none" else 401)


@pytest.mark.parametrize(
    ("server", "status"),
    [(("127.0.0.1", 80), 200), (("::1", 80), 200), (("10.0.0.1", 80), 403), (("::ffff:10.0.0.1", 80), 403),
     (("/a/socket", None), 200), (None, 200), (("testserver", 80), 200)],
)  # fmt: skip
async def test_what_comes_in_elsewhere_is_refused(server: tuple[str, int] | None, status: int) -> None:
    """As where a server of another kind was started, whose address nobody has seen."""
    sent = []

    async def app(_: object, __: object, send: object) -> None:
        await send({"type": "http.response.start", "status": 200})  # type: ignore[operator]

    async def send(message: object) -> None:
        sent.append(message)

    scope: dict[str, Any] = {"type": "http", "server": server, "method": "GET", "path": "/", "headers": []}
    await LoopbackOnlyMiddleware(app)(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == status  # type: ignore[index]
