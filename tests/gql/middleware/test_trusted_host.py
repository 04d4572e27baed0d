"""Trusted-host middleware: requests for hosts that are not this API's are refused, on every endpoint and transport."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import ValidationError

from gql.app import create_app
from gql.middleware.trusted_host import TrustedHostMiddleware
from gql.settings import ApiSettings
from tests import in_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tasks.settings import JobSettings
    from tests.authenticated import AuthenticatedSystem
    from tests.conftest import System
    from tests.programs import Valkey

LOOPBACK = [
    "localhost", "LocalHost", "localhost.", "a.b.localhost", "127.0.0.1", "127.255.1.2", "127.0.0.1.", "127.1",
    "2130706433", "0x7f.1", "[::1]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]",
]  # fmt: skip
ADDRESSES = ["10.1.2.3", "192.168.0.1.", "[2001:db8::1]", "[::ffff:10.0.0.1]", "0.0.0.0"]  # noqa: S104
NAMES = ["evil.example", "localhost.evil.example", "evil-localhost", "127.0.0.1.evil.example", "api", "primes.example"]
INVALID = [
    "",
    " ",
    "a b",
    "a/b",
    "user@localhost",
    "[::1",
    "::1",
    "localhost:x",
    "localhost:99999",
    "ä.example",
    "[::g]",
]
HANDSHAKE = (
    "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {'A' * 22}==",
    "Sec-WebSocket-Protocol: graphql-transport-ws",
)  # fmt: skip


async def status(
    hosts: Sequence[str], allowed: Sequence[str] = (), *, any_address: bool = False, http_version: str = "1.1"
) -> int:
    async def app(_: object, __: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", host.encode("latin-1")) for host in hosts]
    scope: Any = {"type": "http", "http_version": http_version, "method": "GET", "path": "/", "headers": headers}
    await TrustedHostMiddleware(app, allowed, any_address=any_address)(scope, None, send)  # type: ignore[arg-type]
    code: int = sent[0]["status"]
    return code


@pytest.mark.parametrize("port", ["", ":8000", ":", ":0080"])
@pytest.mark.parametrize("host", LOOPBACK)
async def test_loopback_is_allowed(host: str, port: str) -> None:
    assert await status([f"{host}{port}"]) == (400 if port == ":" else 200)


@pytest.mark.parametrize("host", NAMES + ADDRESSES)
async def test_other_hosts_are_refused(host: str) -> None:
    assert await status([host]) == 421
    assert await status([f"{host.upper()}:8000"]) == 421


@pytest.mark.parametrize("host", ADDRESSES + LOOPBACK)
async def test_addresses_are_allowed_when_other_machines_may_connect(host: str) -> None:
    """Health checks of Kubernetes send the address of the pod."""
    assert await status([f"{host}:8000"], any_address=True) == 200


@pytest.mark.parametrize("host", NAMES)
async def test_names_are_refused_when_other_machines_may_connect(host: str) -> None:
    assert await status([host], any_address=True) == 421


@pytest.mark.parametrize("host", INVALID)
async def test_invalid_host_is_a_bad_request(host: str) -> None:
    assert await status([host], ["*"]) == 400


async def test_long_host_is_a_bad_request() -> None:
    assert await status([f"{'a.' * 200}localhost"]) == 400


@pytest.mark.parametrize(
    ("hosts", "http_version", "code"),
    [
        ([], "1.0", 200),
        (["evil.example"], "1.0", 421),
        ([], "1.1", 400),
        (["localhost", "localhost"], "1.1", 400),
        (["localhost", "evil.example"], "1.0", 400),
    ],
)
async def test_missing_and_repeated_host(hosts: list[str], http_version: str, code: int) -> None:
    """Only HTTP/1.0 allows a request without a Host, and no browser sends one."""
    assert await status(hosts, http_version=http_version) == code


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        (
            "primes.example",
            ["primes.example", "Primes.Example:443", "primes.example."],
            ["a.primes.example", "example"],
        ),
        ("PRIMES.example.", ["primes.example"], ["evil.example"]),
        ("*.primes.example", ["a.primes.example", "a.b.primes.example:1"], ["primes.example", "aprimes.example"]),
        ("10.1.2.3", ["10.1.2.3:8000"], ["10.1.2.4"]),
        ("[2001:db8::1]", ["[2001:DB8::1]"], ["[2001:db8::2]"]),
        ("*", NAMES, []),
    ],
)
async def test_allowed_hosts(pattern: str, allowed: list[str], refused: list[str]) -> None:
    for host in [*allowed, *LOOPBACK]:
        assert await status([host], [pattern]) == 200, host
    for host in refused:
        assert await status([host], [pattern]) == 421, host


@pytest.mark.parametrize(
    "value",
    ["http://primes.example", "primes.example:443", "a.*", "*.*", "*a.example", "a b", "::1", "ä.example", "*."],
)
def test_invalid_allowed_host_is_refused_at_startup(value: str) -> None:
    with pytest.raises(ValidationError, match="is not a host"):
        ApiSettings(allowed_hosts=f"primes.example,{value}")


# The whole API


def test_every_endpoint_refuses_other_hosts(system: System) -> None:
    documented = httpx.get(f"{system.url}/openapi.json").json()["paths"]
    others = ["/", "/graphql", "/graphql/", "/docs", "/openapi.json", "/static/docs.js", "/explorer/x.js", "/missing"]
    with httpx.Client(base_url=system.url, headers={"Host": "evil.example"}) as client:
        for path in [*documented, *others]:
            for method in ("GET", "HEAD", "POST", "OPTIONS", "DELETE"):
                answer = client.request(method, path, headers={"Origin": "http://evil.example"})
                assert answer.status_code == 421, (method, path)
                assert answer.headers["content-type"] == "application/problem+json"
                assert "access-control-allow-origin" not in answer.headers
    assert "ALLOWED_HOSTS" in answer.json()["detail"]


def test_websocket_for_another_host_is_refused(system: System) -> None:
    origin = "Origin: http://evil.example"
    assert first_line(system.url, "GET /graphql HTTP/1.1", "Host: evil.example", origin, *HANDSHAKE) == 421
    assert first_line(system.url, "GET /graphql HTTP/1.1", "Host: localhost:1", *HANDSHAKE) == 101


def test_target_with_a_host_overrides_the_header(system: System) -> None:
    """RFC 9112, 3.2.2: a request whose target is a URL is for the host in it."""
    assert first_line(system.url, "GET http://evil.example/livez HTTP/1.1", "Host: 127.0.0.1") == 421
    for target in ("http://127.0.0.1/livez", "http://[::1]:1/livez?a=b", "http://localhost"):
        assert first_line(system.url, f"GET {target} HTTP/1.1", "Host: evil.example") == 200
    for host, code in (("evil.example", 421), ("localhost", 101)):
        assert first_line(system.url, f"GET http://{host}/graphql HTTP/1.1", "Host: a.example", *HANDSHAKE) == code


def test_with_authentication_every_host_is_allowed_unless_some_are_named(
    authenticated: AuthenticatedSystem, valkey: Valkey, prefix: str
) -> None:
    evil = {"Host": "evil.example"}
    assert httpx.get(f"{authenticated.system.url}/livez", headers=evil).status_code == 200
    with in_process.api(valkey.url, prefix, AUTHENTICATION="keys", ALLOWED_HOSTS="primes.example") as url:
        assert httpx.get(f"{url}/livez", headers=evil).status_code == 421
        for host in ("primes.example", "10.1.2.3:8000", "localhost"):
            assert httpx.get(f"{url}/livez", headers={"Host": host}).status_code == 200


async def test_open_access_for_other_machines_needs_their_name_of_this_one(settings: JobSettings) -> None:
    app = create_app(ApiSettings(authentication="none", allowed_hosts="primes.example"), settings, "listening.example")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as client:
        for host, code in (("primes.example", 200), ("listening.example", 200), ("10.1.2.3", 200), ("api", 421)):
            assert (await client.get(f"http://{host}:8000/livez")).status_code == code, host


def first_line(url: str, *lines: str) -> int:
    """The status of the response to a request."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        return int(connection.recv(100).split()[1])
