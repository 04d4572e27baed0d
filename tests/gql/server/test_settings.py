"""Settings of `python -m gql` reach uvicorn, and errors are reported without traces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gql.__main__ import configuration, main
from gql.server.protocols import HttpProtocol
from gql.server.settings import ServerSettings
from tests import in_process

if TYPE_CHECKING:
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
    config = configuration(ServerSettings(), log_config=None)
    assert (config.host, config.port, config.workers) == ("::1", 8001, 3)
    assert config.timeout_keep_alive == 90
    assert config.timeout_graceful_shutdown == 7
    assert config.root_path == "/a/b"
    assert config.forwarded_allow_ips == "10.0.0.0/8"


def test_defaults_protect_the_api() -> None:
    config = configuration(ServerSettings(), log_config=None)
    assert config.host == "127.0.0.1"
    assert config.http is HttpProtocol
    assert config.ws_max_size == 65_536
    assert config.timeout_keep_alive > 60
    assert config.timeout_graceful_shutdown == 3
    assert config.timeout_worker_healthcheck == 60
    assert not config.server_header


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("PORT", "abc", "must be 1 to 65535"),
        ("PORT", "1e400", "must be 1 to 65535"),
        ("KEEP_ALIVE_SECONDS", "inf", "must be 1 to 3600"),
        ("ROOT_PATH", "a/", "match pattern"),
        ("ROOT_PATH", "/a/", "match pattern"),
        ("ROOT_PATH", "/a/../b", "match pattern"),
        ("ROOT_PATH", "/ä", "match pattern"),
        ("ROOT_PATH", "/a b", "match pattern"),
        ("ROOT_PATH", "/a?b", "match pattern"),
        ("FORWARDED_ALLOW_IPS", "10.0.0.1/8", "host bits set"),
        ("FORWARDED_ALLOW_IPS", "proxy", "does not appear to be"),
        ("FORWARDED_ALLOW_IPS", "*,10.0.0.0/8", "does not appear to be"),
        ("AUTHENTICATION", "x", "must be none, keys, jwt, keys,jwt"),
        ("PRODUCTION", "perhaps", "must be true or false"),
        ("MAX_COST", "1" + "0" * 30, "must be 100 to 1000000000"),
        ("EXECUTION_SECONDS", "nan", "must be more than 0, at most 600"),
        ("JWT_JWKS_URL", "ftp://issuer", "http:// or https:// URL"),
        ("JWT_JWKS_URL", "https://", "http:// or https:// URL"),
        ("GRAFANA_URL", "javascript:alert(1)", "http:// or https:// URL"),
        ("LOCUST_URL", "http://host:port", "http:// or https:// URL"),
        ("LINK_CHECK_URLS", "http://grafana:3000", "must be NAME=URL, with one of the names grafana, metrics"),
        ("LINK_CHECK_URLS", "grafana=http://a,locust=b", "the value of locust must be an http:// or https:// URL"),
        ("ALLOWED_ORIGINS", "a.example", "origin"),
        ("LOG_LEVEL", "loud", "must be DEBUG, INFO, WARNING, ERROR"),
        ("REDIS_URL", "redis://:secret@host/6/", "must have a database"),
        ("KEY_PREFIX", "{a}", "letters, digits"),
    ],
)
def test_invalid_setting_is_reported_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        main()
    # Python prints a text to standard error and exits with 1.
    error = ended.value.code
    assert isinstance(error, str)
    assert error.startswith(f"error: {name} is ")
    assert message in error
    assert "\n" not in error
    assert "secret" not in error


def test_api_under_a_path_prefix_returns_locations_with_it(valkey: Valkey, prefix: str) -> None:
    """A proxy removes the prefix from the request."""
    environment = {"ROOT_PATH": "/primes", "AUTHENTICATION": "keys"}
    with in_process.api(valkey.url, prefix, **environment) as url:
        assert httpx.get(f"{url}/docs").is_success
        assert httpx.get(f"{url}/openapi.json").json()["servers"] == [{"url": "/primes"}]
        assert httpx.post(f"{url}/generate?n=1").status_code == 401
    environment["AUTHENTICATION"] = "none"
    with in_process.api(valkey.url, prefix, **environment) as url:
        answer = httpx.post(f"{url}/generate?n=1")
    assert answer.headers["location"] == f"/primes/status/{answer.json()['request_id']}"
