"""A connection to the server that costs little: tens of thousands of calls a minute go over it, one after the other."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import hiredis
from redis.connection import DefaultParser
from redis.exceptions import ConnectionError as ConnectionLost
from redis.exceptions import RedisError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_CHUNK = 65_536


class Connection:
    """Sends commands over a Unix socket, and waits for their replies."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        # Errors become the same exceptions as in the client of the product.
        self._reader = hiredis.Reader(replyError=DefaultParser.parse_error)

    def call(self, *command: str | bytes | int) -> Any:
        """Send one command. Returns its reply.

        Raises:
            ResponseError: the server refused it.
        """
        self._socket.sendall(hiredis.pack_command(command))  # type: ignore[arg-type] # of any length
        return self._read()

    def call_all(self, commands: Iterable[Sequence[str | bytes | int]]) -> None:
        """Send several commands at once, and wait until all are executed.

        Raises:
            ResponseError: the server refused one of them.
        """
        packed = [hiredis.pack_command(tuple(command)) for command in commands]  # type: ignore[arg-type]
        self._socket.sendall(b"".join(packed))
        for _ in packed:
            self._read()

    def close(self) -> None:
        self._socket.close()

    def _read(self) -> Any:
        while (reply := self._reader.gets()) is False:
            data = self._socket.recv(_CHUNK)
            if not data:
                raise ConnectionLost("the server has ended")
            self._reader.feed(data)
        if isinstance(reply, RedisError):
            raise reply
        return reply
