"""Errors of the client are one line."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.gql.client.conftest import Run


def test_unusable_proxy_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for exemptions in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(exemptions, raising=False)
    monkeypatch.setenv("ALL_PROXY", "socks5h://user:secret@127.0.0.1:1")
    done = run("http://primes.example", "10")
    assert done.returncode == 1
    assert done.stderr == (
        "error: ALL_PROXY names a SOCKS proxy, which requires the package socksio: install it, or add primes.example "
        "to NO_PROXY\n"
    )


def test_response_of_another_kind_of_server_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("It works!")
    with subprocess.Popen(
        [sys.executable, "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", tmp_path],
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        port = server.stdout.readline().split()[5]
        done = run(f"http://127.0.0.1:{port}", "10")
        server.terminate()
    assert (done.returncode, "Check --url." in done.stderr) == (1, True), done.stderr
