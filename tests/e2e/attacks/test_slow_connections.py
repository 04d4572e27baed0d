"""Connections that send nothing or very slowly: only a limited number stay open, each for a limited time."""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e.attacks.target_process import JSON, MAX_CPU_SECONDS, MAX_GROWTH_BYTES, start_target
from tests.waiting import wait_until

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.attacks.target_process import TargetProcess
    from tests.programs import Valkey

SOCKETS = 10_000
MAX_PENDING_REQUESTS = 500
HEAD = f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: {JSON}\r\n"
BODY = HEAD + "Content-Length: 100000\r\n\r\n{"


@pytest.fixture(scope="module")
def target(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetProcess]:
    """An API with the default settings."""
    with start_target(tmp_path_factory.mktemp("slow"), valkey, "slow:") as target:
        yield target


@pytest.fixture(scope="module")
def short_timeout_target(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetProcess]:
    """An API whose requests must arrive within half a second."""
    folder: Path = tmp_path_factory.mktemp("short-timeout")
    with start_target(folder, valkey, "short-timeout:", ARRIVAL_SECONDS="0.5") as target:
        yield target


def is_closed(connection: socket.socket) -> bool:
    """Whether the server closed the connection. Discards received data."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("beginning", ["", HEAD, BODY], ids=["nothing", "half a head", "half a body"])
def test_ten_thousand_incomplete_requests_evict_the_oldest_ones(target: TargetProcess, beginning: str) -> None:
    resident_before, cpu_before = target.resident_bytes(), target.cpu_seconds()
    # A process may only have a limited number of open sockets. Each is closed here after the server has closed it.
    sockets: deque[socket.socket] = deque()
    for number in range(SOCKETS):
        sockets.append(target.connect())
        sockets[-1].sendall(beginning.encode())
        if len(sockets) > 2 * MAX_PENDING_REQUESTS:
            oldest = sockets.popleft()
            wait_until(lambda oldest=oldest: is_closed(oldest))  # type: ignore[misc]
            oldest.close()
        if number % 1_000 == 0:
            assert target.responds()
    assert (target.cpu_seconds() - cpu_before) / SOCKETS < MAX_CPU_SECONDS
    wait_until(lambda: target.connections() <= MAX_PENDING_REQUESTS + 1)
    assert target.resident_bytes() - resident_before < MAX_GROWTH_BYTES
    assert target.responds()
    for connection in sockets:
        connection.close()


@pytest.mark.parametrize("beginning", [HEAD + "X-Slow: ", BODY, "\r\n"], ids=["head", "body", "nothing"])
def test_request_sent_byte_by_byte_times_out(short_timeout_target: TargetProcess, beginning: str) -> None:
    cpu_before = short_timeout_target.cpu_seconds()
    connections = [short_timeout_target.connect() for _ in range(100)]
    for connection in connections:
        connection.sendall(beginning.encode())

    def all_are_closed() -> bool:
        for connection in connections:
            if connection.fileno() >= 0 and is_closed(connection):
                connection.close()
            elif connection.fileno() >= 0:
                try:
                    connection.send(b"\n" if beginning == "\r\n" else b"x")
                except ConnectionError:
                    connection.close()
        return all(connection.fileno() < 0 for connection in connections)

    wait_until(all_are_closed)
    assert (short_timeout_target.cpu_seconds() - cpu_before) / len(connections) < MAX_CPU_SECONDS
    assert short_timeout_target.responds()


def is_closed_while_sending(connection: socket.socket, piece: bytes) -> bool:
    """Whether the server closes the connection while a piece is sent 10,000 times."""
    try:
        for _ in range(10_000):
            connection.sendall(piece)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("separator", ["", "\r\nX-Endless: "], ids=["one header", "many headers"])
def test_endless_headers_close_the_connection(target: TargetProcess, separator: str) -> None:
    cpu_before, resident_before = target.cpu_seconds(), target.resident_bytes()
    with target.connect() as connection:
        connection.sendall((HEAD + "X-Endless: ").encode())
        assert is_closed_while_sending(connection, (separator + "x" * 5_000).encode())
    assert target.cpu_seconds() - cpu_before < MAX_CPU_SECONDS
    assert target.resident_bytes() - resident_before < MAX_GROWTH_BYTES


def test_endless_trailers_close_the_connection(target: TargetProcess) -> None:
    resident_before = target.resident_bytes()
    with target.connect() as connection:
        connection.sendall((HEAD + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n").encode())
        assert is_closed_while_sending(connection, f"X-Endless: {'x' * 5_000}\r\n".encode())
    assert target.resident_bytes() - resident_before < MAX_GROWTH_BYTES


def test_idle_connection_may_send_another_request_after_the_request_timeout(
    short_timeout_target: TargetProcess,
) -> None:
    """The timeout applies to each request. Idle connections have another one."""
    with closing(HTTPConnection(urlsplit(short_timeout_target.url).netloc, timeout=10)) as connection:
        for _ in range(3):
            # HTTPConnection does not reconnect after the server closed the connection.
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"alive"}'
            idle_until = time.monotonic() + 0.7
            wait_until(lambda idle_until=idle_until: time.monotonic() > idle_until)  # type: ignore[misc]


def test_stream_may_last_longer_than_the_request_timeout(short_timeout_target: TargetProcess) -> None:
    query = "subscription { systemStats(intervalMs: 100) { at } }"
    body = f'{{"query": "{query}"}}'
    head = f"{HEAD}Accept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    with short_timeout_target.connect() as connection:
        connection.sendall((head + body).encode())
        until, received = time.monotonic() + 1.5, b""
        while time.monotonic() < until:
            # Data that arrives during the response does not time out either.
            connection.sendall(b"\r\n")
            received += connection.recv(65_536)
    assert received.count(b"event: next") > 5
