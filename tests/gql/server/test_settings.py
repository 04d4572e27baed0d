"""Settings of `python -m gql` reach uvicorn: several processes share a port, and errors are reported without traces."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from gql.__main__ import configuration
from gql.server.settings import ServerSettings
from gql.server.slow_requests import RequestTimeoutProtocol
from tests import programs
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.programs import Valkey


def test_settings_configure_uvicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "HOST": "::1",
        "PORT": "8001",
        "WEB_WORKERS": "3",
        "KEEP_ALIVE_SECONDS": "90",
        "REQUEST_DRAIN_SECONDS": "7",
        "ROOT_PATH": "/a/b",
        "FORWARDED_ALLOW_IPS": "10.0.0.0/8",
    }
    assert variables.keys() == {name.upper() for name in ServerSettings.model_fields}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    config = configuration(ServerSettings())
    assert (config.host, config.port, config.workers) == ("::1", 8001, 3)
    assert config.timeout_keep_alive == 90
    assert config.timeout_graceful_shutdown == 7
    assert config.root_path == "/a/b"
    assert config.forwarded_allow_ips == "10.0.0.0/8"


def test_defaults_protect_the_api() -> None:
    config = configuration(ServerSettings())
    assert config.host == "127.0.0.1"
    assert config.http is RequestTimeoutProtocol
    assert config.ws_max_size == 65_536
    assert config.timeout_keep_alive > 60
    assert config.timeout_graceful_shutdown == 3
    assert config.timeout_worker_healthcheck == 60
    assert not config.server_header


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "abc", "valid integer"),
        ("ROOT_PATH", "a/", "match pattern"),
        ("AUTHENTICATION", "x", "should be"),
    ],
)
def test_invalid_setting_is_reported_without_a_traceback(name: str, value: str, message: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gql"],
        cwd=ROOT,
        env=os.environ | {name: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ")
    assert name.lower() in ended.stderr
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("web_workers", ["1", "2"])
def test_port_in_use_is_an_error(valkey: Valkey, prefix: str, tmp_path: Path, web_workers: str) -> None:
    with programs.api(tmp_path, valkey.url, prefix) as (url, _):
        variables = {"REDIS_URL": valkey.url, "PORT": url.rpartition(":")[2], "WEB_WORKERS": web_workers}
        second = programs.start([sys.executable, "-m", "gql"], tmp_path, variables)
        assert second.process.wait(60) != 0
    assert "address already in use" in second.output().lower()


def test_processes_share_a_port_and_log_in_the_configured_format(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    with programs.api(tmp_path, valkey.url, prefix, WEB_WORKERS="2", LOG_FORMAT="json") as (url, api):
        wait_until(lambda: api.output().count("Application startup complete") == 2, 60, api.output)
        answer = httpx.get(f"{url}/livez")
        assert api.stop() == 0
    assert answer.is_success
    assert "server" not in answer.headers
    messages = [json.loads(line)["message"] for line in api.output().splitlines()]
    assert sum(message.startswith("Started server process") for message in messages) == 2
    assert messages[-1].startswith("Stopping parent process")


def test_api_under_a_path_prefix_returns_locations_with_it(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    """A proxy removes the prefix from the request."""
    environment = {"ROOT_PATH": "/primes", "AUTHENTICATION": "keys"}
    with programs.api(tmp_path, valkey.url, prefix, None, **environment) as (url, _):
        assert httpx.get(f"{url}/docs").is_success
        assert httpx.get(f"{url}/openapi.json").json()["servers"] == [{"url": "/primes"}]
        assert httpx.post(f"{url}/generate?n=1").status_code == 401
    environment["AUTHENTICATION"] = "none"
    with programs.api(tmp_path, valkey.url, prefix, None, **environment) as (url, _):
        answer = httpx.post(f"{url}/generate?n=1")
    assert answer.headers["location"] == f"/primes/status/{answer.json()['request_id']}"
