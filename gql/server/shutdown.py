"""Graceful shutdown: completes subscriptions before uvicorn closes connections.

Without this, uvicorn closes each WebSocket with 1012 as soon as it is signalled, and a subscriber can't distinguish a
restart from a failure.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Final, NoReturn

from uvicorn import Server
from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import Multiprocess, multiprocess

from gql.server import gc_freeze

if TYPE_CHECKING:
    import socket
    from types import FrameType

    from uvicorn import Config

# The key in the state of the lifespan of a function without arguments that completes all streams.
STATE: Final = "complete_streams"

# The last messages have been passed to uvicorn by then, but are not on the wire yet.
_FLUSH_SECONDS = 0.05


class DrainingServer(Server):
    """uvicorn's server, which completes all streams before it shuts down, and exits with 0 after a signal."""

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until SIGINT or SIGTERM."""
        for number in HANDLED_SIGNALS:
            # uvicorn has its own handlers while it serves. Then it restores these and raises the signal again.
            signal.signal(number, _exit)
        super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application and listen."""
        await super().startup(sockets)
        gc_freeze.freeze()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Complete streams, then close connections and stop the application."""
        await self.lifespan.state[STATE]()
        await asyncio.sleep(_FLUSH_SECONDS)
        await super().shutdown(sockets)


class DrainingProcess(multiprocess.Process):
    """One of several processes that run a DrainingServer."""

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """Run the server in the new process."""
        self._server = DrainingServer(self.config)
        super().target(sockets)


def serve(config: Config) -> None:
    """Run the configured number of processes until SIGINT or SIGTERM."""
    if config.workers == 1:
        DrainingServer(config).run()
        return
    # Multiprocess has no parameter for the class of its processes.
    multiprocess.Process = DrainingProcess  # type: ignore[misc]
    Multiprocess(config, [config.bind_socket()]).run()


def _exit(_: int, __: FrameType | None) -> NoReturn:
    sys.exit()
