"""A proxy that tampers with responses, for negative controls: HTTP responses and WebSocket frames."""

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

# Takes the bytes of one response, or of one WebSocket frame with its header; returns what the client receives instead.
Tamper = Callable[[bytes], bytes]

_FRAME = 2
_EXTENDED = 126


@contextmanager
def tampering_proxy(url: str, tamper: Tamper) -> Iterator[str]:
    """Run a proxy in front of the server until the block ends. Yields its URL."""
    target = urlsplit(url)
    assert target.hostname is not None
    assert target.port is not None
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, (target.hostname, target.port), tamper))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            # Closing alone does not wake the thread that blocks in accept.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def replace_padded(pattern: bytes, replacement: bytes, data: bytes) -> bytes:
    """Replace and pad with white space, which JSON allows, so that Content-Length stays valid."""

    def padded(match: re.Match[bytes]) -> bytes:
        text = match.expand(replacement)
        assert len(text) <= len(match[0])
        return text + b" " * (len(match[0]) - len(text))

    return re.sub(pattern, padded, data)


def _serve(listener: socket.socket, address: tuple[str, int], tamper: Tamper) -> None:
    connections: list[threading.Thread] = []
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            connections.append(threading.Thread(target=_connect, args=(client, address, tamper)))
            connections[-1].start()
    for connection in connections:
        connection.join(10)


def _connect(client: socket.socket, address: tuple[str, int], tamper: Tamper) -> None:
    with client, socket.create_connection(address) as server:
        requests = threading.Thread(target=_pump, args=(client, server, bytes))
        requests.start()
        _pump(server, client, _ResponseTamperer(tamper))
        requests.join(10)


def _pump(source: socket.socket, sink: socket.socket, transform: Callable[[bytes], bytes]) -> None:
    """Copy bytes until either side closes; then close both."""
    with suppress(OSError):
        while data := source.recv(1 << 20):
            sink.sendall(transform(data))
    for end in (source, sink):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


class _ResponseTamperer:
    """Transforms the server's side of one connection, frame by frame after an upgrade to WebSocket."""

    def __init__(self, tamper: Tamper) -> None:
        self._tamper = tamper
        self._upgraded = False
        self._buffer = b""

    def __call__(self, data: bytes) -> bytes:
        if self._upgraded:
            return self._frames(data)
        self._upgraded = data.startswith(b"HTTP/1.1 101")
        return data if self._upgraded else self._tamper(data)

    def _frames(self, data: bytes) -> bytes:
        data = self._buffer + data
        found = b""
        while len(data) >= _FRAME:
            size = _FRAME + data[1]
            if data[1] == _EXTENDED:
                size = _FRAME + 2 + int.from_bytes(data[2:4])
            if len(data) < size:
                break
            found += self._tamper(data[:size])
            data = data[size:]
        self._buffer = data
        return found
