"""Upgrades, HTTP/1.0 and WebSocket handshakes: bytes as a client sends them, packet by packet, and the response."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from gql.server.protocols import HttpProtocol, WebSocketProtocol
from gql.server.slow_requests import STATE, PendingRequests
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.types import Receive, Scope, Send
    from websockets.http11 import Request

BODY = b'{"query": "{ limits }"}'
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"5\r\n" + BODY[:5] + b"\r\n%x\r\n" % len(BODY[5:]) + BODY[5:] + b"\r\n0\r\n\r\n"

# As Java's HttpClient and `curl --http2` send them.
H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")

WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket")
KEY = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
VERSION = "Sec-WebSocket-Version: 13"


def head(*headers: str, method: str = "POST", version: str = "1.1", path: str = "/a") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/{version}", "Host: a", *headers, "", ""]).encode()


def get(*headers: str, **options: str) -> bytes:
    return head(*headers, method="GET", **options)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Respond with what was received; to /unsized in two parts without a length. Accept each WebSocket."""
    if scope["type"] == "websocket":
        await receive()
        protocols = " ".join(scope["subprotocols"]).encode()
        await send({"type": "websocket.accept", "headers": [(b"x-protocols", protocols)]})
        return
    body = b""
    if scope["method"] == "POST":
        while (message := await receive())["more_body"]:
            body += message["body"]
        body += message["body"]
    names = sorted(name.decode() for name, _ in scope["headers"])
    content = json.dumps({"method": scope["method"], "names": names, "body": body.decode()}).encode() + b"\n"
    is_sized = scope["path"] != "/unsized"
    headers = [(b"content-length", b"%d" % len(content))] if is_sized else []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": content[:3], "more_body": True})
    await send({"type": "http.response.body", "body": content[3:]})


class Client(asyncio.Transport):
    """The server's end of a connection: each call of `send` is one packet."""

    def __init__(self, pending: PendingRequests) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.received = b""
        self.is_closed = False
        config = Config(echo, lifespan="off", log_config=None)
        self.protocol: asyncio.BaseProtocol = HttpProtocol(config, ServerState(), {STATE: pending})
        self.protocol.connection_made(self)

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            assert isinstance(self.protocol, asyncio.Protocol)
            self.protocol.data_received(packet)

    async def responses(self, number: int) -> list[dict[str, Any]]:
        """What the application received of each request."""
        await eventually(self._has_lines(number))
        return [json.loads(line) for line in self.received.splitlines() if line.startswith(b"{")]

    def _has_lines(self, number: int) -> Any:
        async def has_lines() -> bool:
            return self.received.count(b'"}\n') == number

        return has_lines

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.received += bytes(data)

    def close(self) -> None:
        if not self.is_closed:
            self.is_closed = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self.is_closed

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


@pytest.fixture
def pending() -> PendingRequests:
    return PendingRequests(max_pending=500, timeout_seconds=60)


@pytest.fixture
async def client(pending: PendingRequests) -> AsyncIterator[Client]:
    client = Client(pending)
    yield client
    client.close()
    await asyncio.sleep(0)


def splits(request: bytes) -> list[Sequence[bytes]]:
    """A request in one packet, its body in a second one, and each byte in its own."""
    end_of_head = request.index(b"\r\n\r\n") + 4
    return [
        [request],
        [request[:end_of_head], request[end_of_head:]],
        [request[i : i + 1] for i in range(len(request))],
    ]


IGNORED_UPGRADES = {
    "h2c": head(*H2C, LENGTH) + BODY,
    "h2c and chunks": head(*H2C, CHUNKED) + CHUNKS,
    "h2c and close": head("Connection: close, upgrade", "Upgrade: h2c", LENGTH) + BODY,
    "h2c of HTTP/1.0": head(*H2C, LENGTH, version="1.0") + BODY,
    "TLS": head("Connection: upgrade", "Upgrade: TLS/1.0, HTTP/2.0", LENGTH) + BODY,
    "WebSocket by POST": head(*WEBSOCKET, KEY, VERSION, LENGTH) + BODY,
    "WebSocket with chunks": head(*WEBSOCKET, KEY, VERSION, CHUNKED) + CHUNKS,
}


@pytest.mark.parametrize("number", range(3), ids=["one packet", "two packets", "bytes"])
@pytest.mark.parametrize("request_", IGNORED_UPGRADES.values(), ids=IGNORED_UPGRADES)
async def test_a_request_whose_upgrade_is_not_taken_up_keeps_its_body(
    client: Client, request_: bytes, number: int
) -> None:
    client.send(*splits(request_)[number])
    (received,) = await client.responses(1)
    assert received["body"] == BODY.decode()
    assert "upgrade" not in received["names"]
    assert client.received.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize(
    "request_",
    [
        get(*WEBSOCKET, KEY, VERSION, version="1.0"),
        get(*WEBSOCKET, KEY, VERSION, LENGTH) + BODY,
        get(*WEBSOCKET, KEY, VERSION, CHUNKED) + CHUNKS,
        get("Connection: upgrade", "Upgrade: websockets", KEY, VERSION),
        get("Connection: upgrade", "Upgrade:", KEY, VERSION),
        get("Connection: keep-alive", "Upgrade: websocket", KEY, VERSION),
    ],
    ids=["HTTP/1.0", "with a body", "with chunks", "of another protocol", "empty", "without Connection: upgrade"],
)
async def test_a_handshake_that_is_none_is_a_plain_request(client: Client, request_: bytes) -> None:
    client.send(request_)
    (received,) = await client.responses(1)
    assert received["method"] == "GET"


async def test_pipelined_requests_with_upgrades_are_each_responded_to(client: Client) -> None:
    one = head(*H2C, LENGTH) + BODY
    client.send(one + one[:-3], one[-3:] + get(*H2C) + head(LENGTH) + BODY)
    received = await client.responses(4)
    assert [(request["method"], request["body"]) for request in received] == [
        ("POST", BODY.decode()),
        ("POST", BODY.decode()),
        ("GET", ""),
        ("POST", BODY.decode()),
    ]


async def test_many_pipelined_requests_with_upgrades_in_one_packet(client: Client) -> None:
    client.send(get(*H2C) * 1_200)
    assert len(await client.responses(1_200)) == 1_200


async def test_a_handshake_behind_an_unanswered_request_is_a_plain_request(client: Client) -> None:
    client.send(get() + get(*WEBSOCKET, KEY, VERSION))
    assert len(await client.responses(2)) == 2


async def test_a_body_is_requested_by_100_continue_behind_an_upgrade(client: Client) -> None:
    client.send(head(*H2C, LENGTH, "Expect: 100-continue"))
    await asyncio.sleep(0)
    assert client.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(BODY)
    (received,) = await client.responses(1)
    assert received["body"] == BODY.decode()


@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
async def test_http_1_0_has_no_100_continue(client: Client, value: str) -> None:
    client.send(head(LENGTH, f"Expect: {value}", version="1.0") + BODY)
    await client.responses(1)
    assert b"100 Continue" not in client.received


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_response_without_a_length_is_chunked_for_http_1_1_only(
    client: Client, method: str, version: str
) -> None:
    client.send(head("Content-Length: 0", method=method, version=version, path="/unsized"))
    if version == "1.1":
        await eventually(lambda: _ends_with(client, b"0\r\n\r\n"))
        assert b"transfer-encoding: chunked" in client.received
        assert not client.is_closed
        return
    await client.responses(1)
    response_head, _, content = client.received.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in response_head
    assert b"connection: close" in response_head
    assert json.loads(content)["method"] == method
    assert client.is_closed


async def test_a_response_to_http_1_0_keeps_its_length(client: Client) -> None:
    client.send(get(version="1.0"))
    await client.responses(1)
    assert b"\r\ncontent-length: " in client.received


async def _ends_with(client: Client, end: bytes) -> bool:
    return client.received.endswith(end)


@pytest.mark.parametrize(
    "headers",
    [
        [*WEBSOCKET, KEY, VERSION],
        ["Connection: Upgrade", "Connection: keep-alive", "Upgrade: WebSocket", KEY, VERSION],
        ["Connection: keep-alive,Upgrade", "Upgrade: h2c", "Upgrade: websocket", KEY, VERSION, "Content-Length: 0"],
        ["Connection: upgrade", "Upgrade: h2c , WEBSOCKET", KEY, VERSION],
    ],
)
async def test_a_valid_handshake_opens_a_websocket(
    client: Client, pending: PendingRequests, headers: list[str]
) -> None:
    client.send(get(*headers))
    await eventually(lambda: _starts_with(client, b"HTTP/1.1 101 Switching Protocols\r\n"))
    assert isinstance(client.protocol, WebSocketProtocol)
    assert not len(pending)


async def _starts_with(client: Client, beginning: bytes) -> bool:
    return client.received.startswith(beginning)


async def test_several_lines_of_subprotocols_are_one_list(client: Client) -> None:
    protocols = ("Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: B , c")
    client.send(get(*WEBSOCKET, KEY, VERSION, *protocols))
    await eventually(lambda: _starts_with(client, b"HTTP/1.1 101 Switching Protocols\r\n"))
    assert b"\r\nx-protocols: a B c\r\n" in client.received


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ([*WEBSOCKET, VERSION], 400, b"Sec-WebSocket-Key"),
        ([*WEBSOCKET, "Sec-WebSocket-Key: short", VERSION], 400, b"Sec-WebSocket-Key"),
        ([*WEBSOCKET, KEY, KEY, VERSION], 400, b"Sec-WebSocket-Key"),
        ([*WEBSOCKET, KEY], 400, b"Sec-WebSocket-Version"),
        ([*WEBSOCKET, KEY, "Sec-WebSocket-Version: 8"], 426, b"Sec-WebSocket-Version: 13\r\n"),
        ([*WEBSOCKET, KEY, VERSION, VERSION], 426, b"Sec-WebSocket-Version: 13\r\n"),
        ([*WEBSOCKET, KEY, VERSION, *["X-Many: 1"] * 130], 431, b"128 headers"),
        ([*WEBSOCKET, KEY, VERSION, f"X-Long: {'x' * 9_000}"], 431, b"8192 bytes"),
    ],
)
async def test_an_invalid_handshake_is_refused_and_its_connection_closed(
    client: Client, pending: PendingRequests, headers: list[str], status: int, field: bytes
) -> None:
    client.send(get(*headers))
    assert client.received.startswith(b"HTTP/1.1 %d " % status)
    assert field in client.received
    assert client.is_closed
    await asyncio.sleep(0)
    assert not len(pending)


@pytest.fixture
def _unfinished_handshakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """websockets waits for the rest of each handshake."""

    def wait(_: WebSocketProtocol, __: Request) -> None: ...

    monkeypatch.setattr(WebSocketProtocol, "handle_connect", wait)


@pytest.mark.usefixtures("_unfinished_handshakes")
async def test_an_unfinished_handshake_is_closed_in_time_and_counted() -> None:
    pending = PendingRequests(max_pending=10, timeout_seconds=0.05)
    clients = [Client(pending) for _ in range(10)]
    for client in clients:
        client.send(get(*WEBSOCKET, KEY, VERSION))
        assert isinstance(client.protocol, WebSocketProtocol)
    assert len(pending) == 10

    async def all_are_closed() -> bool:
        return all(client.is_closed for client in clients)

    await eventually(all_are_closed)
    assert not len(pending)
