"""A TCP proxy to the store that a test can make slow, silent or disconnected."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Proxy:
    """Forwards data after `delay` seconds.

    While `silent`, data is dropped; while `refusing`, new connections are closed.
    """

    def __init__(self, target_port: int) -> None:
        self.delay = 0.0
        self.silent = False
        self.refusing = False
        self.port = 0
        self._target_port = target_port
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward a new connection. Called by asyncio."""
        relaying = asyncio.create_task(self._relay(reader, writer))
        self._connections[relaying] = writer
        relaying.add_done_callback(self._connections.pop)

    async def abort_connections(self) -> None:
        """Reset all connections."""
        connections = list(self._connections.items())
        for relaying, client in connections:
            client.transport.abort()
            relaying.cancel()
        await asyncio.gather(*(relaying for relaying, _ in connections), return_exceptions=True)

    async def _relay(self, client_reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        with suppress(OSError), closing(client):
            if self.refusing:
                raise ConnectionRefusedError
            store_reader, store = await asyncio.open_connection("127.0.0.1", self._target_port)
            with closing(store):
                await asyncio.gather(self._forward(client_reader, store), self._forward(store_reader, client))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def start_proxy(target_port: int) -> AsyncIterator[Proxy]:
    """A proxy on a free port of loopback, until the block ends."""
    proxy = Proxy(target_port)
    server = await asyncio.start_server(proxy.handle, "127.0.0.1")
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.abort_connections()
