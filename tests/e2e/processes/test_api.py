"""The API as a process: its address, and several processes behind one port."""

from __future__ import annotations

import json
import socket
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests import programs
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey

ANYWHERE = "0.0.0.0"  # noqa: S104 - this is what the test is about


@pytest.mark.parametrize("web_workers", ["1", "2"])
def test_port_in_use_is_an_error(valkey: Valkey, tmp_path: Path, web_workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        variables = {"REDIS_URL": valkey.url, "PORT": str(taken.getsockname()[1]), "WEB_WORKERS": web_workers}
        second = programs.start([sys.executable, "-m", "gql"], tmp_path, variables)
        assert second.process.wait(60) != 0
    assert "address already in use" in second.output().lower()


def test_processes_share_a_port_and_log_in_the_configured_format(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    with programs.api(tmp_path, valkey.url, prefix, WEB_WORKERS="2", LOG_FORMAT="json") as (url, api):
        wait_until(lambda: api.output().count("Application startup complete") == 2, explain=api.output)
        answer = httpx.get(f"{url}/livez")
        assert api.stop() == 0
    assert answer.is_success
    assert "server" not in answer.headers
    messages = [json.loads(line)["message"] for line in api.output().splitlines()]
    assert sum(message.startswith("Started server process") for message in messages) == 2
    assert messages[-1].startswith("Stopping parent process")


@pytest.mark.parametrize("authentication", ["none", "keys"])
def test_configured_authentication_allows_any_address(
    valkey: Valkey, prefix: str, tmp_path: Path, authentication: str
) -> None:
    environment = {"HOST": ANYWHERE, "AUTHENTICATION": authentication}
    with programs.api(tmp_path, valkey.url, prefix, None, **environment) as (url, _):
        answer = httpx.post(f"{url}/generate?n=1")
    assert answer.status_code == (200 if authentication == "none" else 401)
