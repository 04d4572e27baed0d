"""A line to the store that a test can make slow, silent or dead: TCP in, TCP out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, closing, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Proxy:
    """Passes on what it gets, `delay` seconds late.

    While it is `silent`, what comes is lost; while it is `refusing`, there are no new connections.
    """

    def __init__(self, target_port: int) -> None:
        self.delay = 0.0
        self.silent = False
        self.refusing = False
        self.port = 0
        self._target_port = target_port
        self._lines: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A new connection."""
        joined = asyncio.create_task(self._join(reader, writer))
        self._lines[joined] = writer
        joined.add_done_callback(self._lines.pop)

    async def cut(self) -> None:
        """Break all connections off."""
        cut = list(self._lines.items())
        for joined, near in cut:
            near.transport.abort()
            joined.cancel()
        await asyncio.gather(*(joined for joined, _ in cut), return_exceptions=True)

    async def _join(self, near_reader: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        with suppress(OSError), closing(near):
            if self.refusing:
                raise ConnectionRefusedError
            far_reader, far = await asyncio.open_connection("127.0.0.1", self._target_port)
            with closing(far):
                await asyncio.gather(self._pass_on(near_reader, far), self._pass_on(far_reader, near))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await asyncio.sleep(self.delay)
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        writer.close()


@asynccontextmanager
async def proxy(target_port: int) -> AsyncIterator[Proxy]:
    """Listens on a free port until the block ends."""
    line = Proxy(target_port)
    server = await asyncio.start_server(line.accept, "127.0.0.1")
    line.port = server.sockets[0].getsockname()[1]
    try:
        yield line
    finally:
        server.close()
        await line.cut()
