"""Attackers with patience: sockets that say nothing, or too little at a time. Few stay open, and none for long."""

from __future__ import annotations

import time
from collections import deque
from contextlib import closing
from http.client import HTTPConnection
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e.attacks.target_process import JSON, MOST_BYTES, MOST_SECONDS, attacked
from tests.waiting import wait_until

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.attacks.target_process import TargetProcess
    from tests.programs import Valkey

SOCKETS = 10_000
MOST_ARRIVING = 500
HEAD = f"POST /graphql HTTP/1.1\r\nHost: a\r\nContent-Type: {JSON}\r\n"
BODY = HEAD + "Content-Length: 100000\r\n\r\n{"


@pytest.fixture(scope="module")
def target(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetProcess]:
    """With the settings as they come."""
    with attacked(tmp_path_factory.mktemp("patient"), valkey, "patient:") as found:
        yield found


@pytest.fixture(scope="module")
def hasty(valkey: Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetProcess]:
    """Its clients have half a second."""
    folder: Path = tmp_path_factory.mktemp("hasty")
    with attacked(folder, valkey, "hasty:", ARRIVAL_SECONDS="0.5") as found:
        yield found


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side has hung up; what it said before is thrown away."""
    connection.setblocking(False)
    try:
        while connection.recv(65_536):
            pass
    except BlockingIOError:
        return False
    except ConnectionError:
        pass
    return True


@pytest.mark.parametrize("begin", ["", HEAD, BODY], ids=["nothing", "half a head", "half a body"])
def test_ten_thousand_half_open_sockets_push_out_each_other(target: TargetProcess, begin: str) -> None:
    resident, work = target.resident(), target.worked()
    # No more of them than a process may have open; those that are closed here have been closed there.
    held: deque[socket.socket] = deque()
    for number in range(SOCKETS):
        held.append(target.connect())
        held[-1].sendall(begin.encode())
        if len(held) > 2 * MOST_ARRIVING:
            oldest = held.popleft()
            wait_until(lambda oldest=oldest: is_closed(oldest))  # type: ignore[misc]
            oldest.close()
        if number % 1_000 == 0:
            assert target.answers()
    assert (target.worked() - work) / SOCKETS < MOST_SECONDS
    wait_until(lambda: target.connections() <= MOST_ARRIVING + 1)
    assert target.resident() - resident < MOST_BYTES
    assert target.answers()
    for connection in held:
        connection.close()


@pytest.mark.parametrize("begin", [HEAD + "X-Slow: ", BODY, "\r\n"], ids=["head", "body", "nothing"])
def test_a_request_that_comes_by_drops_is_cut_off(hasty: TargetProcess, begin: str) -> None:
    work = hasty.worked()
    connections = [hasty.connect() for _ in range(100)]
    for connection in connections:
        connection.sendall(begin.encode())

    def all_are_closed() -> bool:
        for connection in connections:
            if connection.fileno() >= 0 and is_closed(connection):
                connection.close()
            elif connection.fileno() >= 0:
                try:
                    connection.send(b"\n" if begin == "\r\n" else b"x")
                except ConnectionError:
                    connection.close()
        return all(connection.fileno() < 0 for connection in connections)

    wait_until(all_are_closed)
    assert (hasty.worked() - work) / len(connections) < MOST_SECONDS
    assert hasty.answers()


def is_cut_off(connection: socket.socket, piece: bytes) -> bool:
    """Whether the other side hangs up while a piece is sent again and again, 50 MB in all."""
    try:
        for _ in range(10_000):
            connection.sendall(piece)
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("separator", ["", "\r\nX-Endless: "], ids=["one header", "many headers"])
def test_a_head_without_end_is_cut_off(target: TargetProcess, separator: str) -> None:
    work, resident = target.worked(), target.resident()
    with target.connect() as connection:
        connection.sendall((HEAD + "X-Endless: ").encode())
        assert is_cut_off(connection, (separator + "x" * 5_000).encode())
    assert target.worked() - work < MOST_SECONDS
    assert target.resident() - resident < MOST_BYTES


def test_trailers_without_end_are_cut_off(target: TargetProcess) -> None:
    resident = target.resident()
    with target.connect() as connection:
        connection.sendall((HEAD + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n").encode())
        assert is_cut_off(connection, f"X-Endless: {'x' * 5_000}\r\n".encode())
    assert target.resident() - resident < MOST_BYTES


def test_who_was_answered_may_send_the_next_request_later(hasty: TargetProcess) -> None:
    """The time is a request's, not a connection's; while a connection rests, its own clock runs."""
    with closing(HTTPConnection(urlsplit(hasty.url).netloc, timeout=10)) as connection:
        for _ in range(3):
            # It does not connect again by itself where it was cut off.
            connection.request("GET", "/livez")
            assert connection.getresponse().read() == b'{"status":"alive"}'
            rested = time.monotonic() + 0.7
            wait_until(lambda rested=rested: time.monotonic() > rested)  # type: ignore[misc]


def test_a_stream_lives_on_longer_than_its_request_may_take(hasty: TargetProcess) -> None:
    query = "subscription { systemStats(intervalMs: 100) { at } }"
    body = f'{{"query": "{query}"}}'
    head = f"{HEAD}Accept: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    with hasty.connect() as connection:
        connection.sendall((head + body).encode())
        until, seen = time.monotonic() + 1.5, b""
        while time.monotonic() < until:
            # What comes while it is answered is not late either.
            connection.sendall(b"\r\n")
            seen += connection.recv(65_536)
    assert seen.count(b"event: next") > 5
