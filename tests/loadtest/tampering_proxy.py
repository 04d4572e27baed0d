"""A proxy that alters what a server answers, to see whether its clients notice: HTTP, and the frames of WebSockets."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

# One answer's bytes, or one frame of a WebSocket with its header, and what the client gets in its place.
Alter = Callable[[bytes], bytes]

_FRAME = 2
_EXTENDED = 126


@contextmanager
def altering(url: str, alter: Alter) -> Iterator[str]:
    """The address at which the server is found, altered, until the block ends."""
    target = urlsplit(url)
    assert target.hostname is not None
    assert target.port is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, (target.hostname, target.port), alter))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # Closing alone would not wake the thread that waits in accept.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def same_length(pattern: bytes, wanted: bytes, data: bytes) -> bytes:
    """Replace, filled up with the white space that JSON allows, so that no header needs to be altered too."""

    def replaced(match: re.Match[bytes]) -> bytes:
        text = match.expand(wanted)
        assert len(text) <= len(match[0])
        return text + b" " * (len(match[0]) - len(text))

    return re.sub(pattern, replaced, data)


def _serve(listener: socket.socket, address: tuple[str, int], alter: Alter) -> None:
    connections: list[threading.Thread] = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            connections.append(threading.Thread(target=_connect, args=(client, address, alter)))
            connections[-1].start()
    for connection in connections:
        connection.join(10)


def _connect(client: socket.socket, address: tuple[str, int], alter: Alter) -> None:
    with client, socket.create_connection(address) as server:
        requests = threading.Thread(target=_pump, args=(client, server, bytes))
        requests.start()
        _pump(server, client, _Answers(alter))
        requests.join(10)


def _pump(source: socket.socket, sink: socket.socket, passed: Callable[[bytes], bytes]) -> None:
    """From one to the other until either ends; then both do."""
    with suppress(OSError):
        while data := source.recv(1 << 20):
            sink.sendall(passed(data))
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class _Answers:
    """What comes from the server on one connection: cut into frames once it has become a WebSocket."""

    def __init__(self, alter: Alter) -> None:
        self._alter = alter
        self._switched = False
        self._rest = b""

    def __call__(self, data: bytes) -> bytes:
        if self._switched:
            return self._frames(data)
        self._switched = data.startswith(b"HTTP/1.1 101")
        return data if self._switched else self._alter(data)

    def _frames(self, data: bytes) -> bytes:
        data = self._rest + data
        found = b""
        while len(data) >= _FRAME:
            size = _FRAME + data[1]
            if data[1] == _EXTENDED:
                size = _FRAME + 2 + int.from_bytes(data[2:4])
            if len(data) < size:
                break
            found += self._alter(data[:size])
            data = data[size:]
        self._rest = data
        return found
