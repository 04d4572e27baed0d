"""Collectors of telemetry that do not do their work."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final

from tests.programs import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_HEAD: Final = b"HTTP/1.1 %b\r\ncontent-type: application/x-protobuf\r\ncontent-length: %d\r\n%b\r\n"
_OK: Final = _HEAD % (b"200 OK", 2**40, b"")

# What each sends on a connection, and the seconds between two parts.
_ANSWERS: Final[Mapping[str, Callable[[], tuple[Iterable[bytes], float]]]] = {
    "silent": lambda: ((), 0),
    "slow head": lambda: ([bytes([byte]) for byte in _OK], 1),
    "slow body": lambda: (chain((_OK,), repeat(b"x")), 1),
    "endless body": lambda: (chain((_OK,), repeat(bytes(2**16))), 0),
    "error 500": lambda: ((_HEAD % (b"500 Internal Server Error", 0, b""),), 0),
    "error 503": lambda: ((_HEAD % (b"503 Service Unavailable", 0, b"retry-after: 3600\r\n"),), 0),
    "redirect": lambda: ((_HEAD % (b"307 Temporary Redirect", 0, b"location: /v1/traces\r\n"),), 0),
    "another protocol": lambda: ((b"-ERR unknown command\r\n",), 0),
}

_RESETS: Final = "reset"
_ADDRESSES: Final = {
    "down": f"http://127.0.0.1:{free_port()}",
    "unknown name": "http://collector.invalid:4318",
    # Reserved for documentation: no machine answers.
    "unreachable": "http://192.0.2.1:4318",
}

BAD_COLLECTORS: Final = (*_ADDRESSES, _RESETS, *_ANSWERS)


@contextmanager
def bad_collector(kind: str) -> Iterator[str]:
    """Run one of BAD_COLLECTORS until the block ends. Yields its endpoint."""
    if kind in _ADDRESSES:
        yield _ADDRESSES[kind]
        return
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_accept, args=(server, kind, ended), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        ended.set()
        server.shutdown(socket.SHUT_RDWR)


def _accept(server: socket.socket, kind: str, ended: threading.Event) -> None:
    with suppress(OSError):
        while True:
            connection, _ = server.accept()
            threading.Thread(target=_answer, args=(connection, kind, ended), daemon=True).start()


def _answer(connection: socket.socket, kind: str, ended: threading.Event) -> None:
    with connection, suppress(OSError):
        if kind == _RESETS:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        connection.recv(2**16)
        parts, seconds = _ANSWERS[kind]()
        for part in parts:
            connection.sendall(part)
            if ended.wait(seconds):
                return
        if kind == "silent":
            ended.wait()
