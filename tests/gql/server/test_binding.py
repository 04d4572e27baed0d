"""Without authentication the API starts on the loopback address only, unless AUTHENTICATION=none."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Literal

import httpx
import pytest

from gql.app import create_app
from gql.server.binding import is_loopback
from gql.settings import ApiSettings
from tests.programs import ROOT, free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tasks.settings import JobSettings

ANYWHERE = "0.0.0.0"  # noqa: S104 - refused in these tests


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_hosts(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", ANYWHERE, "::", "192.168.1.1", "fe80::1%eth0", "no.such.name.invalid"])
def test_hosts_that_other_machines_can_reach(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("module", ["gql", "gql.local"])
def test_refusal_is_one_line(tmp_path: Path, module: str) -> None:
    environment = os.environ | {"HOST": ANYWHERE, "PORT": str(free_port()), "DATA_DIR": str(tmp_path)}
    ended = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith(
        f"error: The API would be reachable on {ANYWHERE} without authentication. Set AUTHENTICATION=keys"
    )
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("authentication", "host", "status"),
    [("", "192.0.2.1", 403), ("", "127.0.0.1", 200), ("none", "192.0.2.1", 200)],
)
async def test_application_in_another_server_refuses_requests_on_other_addresses(
    settings: JobSettings, authentication: Literal["", "none"], host: str, status: int
) -> None:
    app = create_app(ApiSettings(authentication=authentication), settings)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}:8000") as client:
        answer = await client.get("/livez")
    assert answer.status_code == status
    assert ("would be reachable on 192.0.2.1 without authentication" in answer.text) == (status == 403)
