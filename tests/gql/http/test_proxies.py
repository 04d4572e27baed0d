"""The proxy of a host: chosen from the environment, never for this machine, and only that one must work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from gql.http import proxies
from gql.http.proxies import ProxyError, client_options

if TYPE_CHECKING:
    from pathlib import Path

SOCKS = "socks5h://user:secret@proxy:1080"
REMOTE = "https://primes.example/graphql"
LOOPBACK = [
    "http://127.0.0.1:8000",
    "http://127.8.8.8",
    "http://[::1]:8000",
    "http://localhost:8000",
    "https://primes.localhost",
    "HTTP://LOCALHOST",
]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("all_proxy", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize("url", LOOPBACK)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy", "https_proxy"])
@pytest.mark.parametrize("proxy", [SOCKS, "http://proxy:1", "proxy", "://", "ftp://proxy", "http://:0"])
def test_this_machine_is_asked_directly(monkeypatch: pytest.MonkeyPatch, url: str, variable: str, proxy: str) -> None:
    monkeypatch.setenv(variable, proxy)
    assert client_options(url)["proxy"] is None


@pytest.mark.parametrize(
    ("variables", "proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"https_proxy": "proxy:1"}, "http://proxy:1"),
        ({"ALL_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"ALL_PROXY": SOCKS, "HTTPS_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"HTTP_PROXY": "http://proxy:1"}, None),
        ({"HTTPS_PROXY": ""}, None),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "primes.example"}, None),
        ({"ALL_PROXY": SOCKS, "no_proxy": ".example"}, None),
        ({"ALL_PROXY": SOCKS, "NO_PROXY": "*"}, None),
    ],
)
def test_proxy_is_that_of_the_scheme_unless_the_host_is_exempt(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], proxy: str | None
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    options = client_options(REMOTE)
    assert (options["proxy"] and str(options["proxy"].url)) == proxy
    httpx.Client(**options).close()


@pytest.mark.parametrize(
    ("variable", "proxy", "message"),
    [
        ("ALL_PROXY", SOCKS, "ALL_PROXY names a SOCKS proxy, which requires the package socksio: "),
        ("https_proxy", "socks5://proxy", "https_proxy names a SOCKS proxy"),
        ("HTTPS_PROXY", "ftp://user:secret@proxy", "HTTPS_PROXY must be the URL of a proxy"),
        ("HTTPS_PROXY", "http://proxy:port", "HTTPS_PROXY must be the URL of a proxy"),
        ("HTTPS_PROXY", "::", "HTTPS_PROXY must be the URL of a proxy"),
        ("HTTPS_PROXY", "http://", "HTTPS_PROXY must have a host"),
    ],
)
def test_unusable_proxy_is_named_in_one_line_without_its_password(
    monkeypatch: pytest.MonkeyPatch, variable: str, proxy: str, message: str
) -> None:
    monkeypatch.setenv(variable, proxy)
    with pytest.raises(ProxyError) as error:
        client_options(REMOTE)
    assert str(error.value).startswith(message)
    assert "add primes.example to NO_PROXY" in str(error.value)
    assert "secret" not in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_certificates_are_reported_only_if_they_are_needed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
    proxies._trusted_certificates.cache_clear()  # noqa: SLF001
    client_options("http://primes.example")
    with pytest.raises(ProxyError, match=r"^SSL_CERT_FILE.* can't be read \(No such file or directory\)$"):
        client_options(REMOTE)


def test_malformed_url_is_left_to_the_client() -> None:
    with pytest.raises(httpx.InvalidURL):
        httpx.Client(base_url="http://[::1", **client_options("http://[::1"))
