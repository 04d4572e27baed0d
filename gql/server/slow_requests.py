"""Connections whose request does not come, or comes by drops: closed after a while, and few of them at a time.

uvicorn waits for ever for the rest of a request, and for any number of them; an open socket costs its sender nothing.
This is its protocol with a limit, chosen by `uvicorn --http gql.server.slow_requests:RequestTimeoutProtocol`. The
application passes both limits in the state of its lifespan.
"""

from __future__ import annotations

import select
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

if TYPE_CHECKING:
    import asyncio

    from gql.settings import ApiSettings

STATE: Final = "arrivals"

# Of a request, all that is not its body: head, framing, trailers. As much as other servers take.
_MOST_BYTES_BESIDE_BODY = 65_536

# So many, to find one that can go; two microseconds each.
_LOOKED_AT = 32


class PendingRequests:
    """The connections whose request is not whole yet, the oldest first. One per process.

    Where there are too many, the oldest goes of which nothing has come that is still to be read. A client of good will
    needs milliseconds, and is never it: not in a crowd either, whose requests wait in the kernel while it is let in.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._since: dict[RequestTimeoutProtocol, float] = {}
        self._alarm: asyncio.TimerHandle | None = None

    @classmethod
    def of(cls, settings: ApiSettings) -> PendingRequests:
        """As the settings say."""
        return cls(settings.max_arriving_requests, settings.arrival_seconds)

    def begin(self, connection: RequestTimeoutProtocol) -> None:
        """Its request is awaited from now on, if it was not already."""
        if connection in self._since:
            return
        self._since[connection] = connection.loop.time()
        if len(self._since) > self._most:
            silent = (oldest for oldest in islice(self._since, _LOOKED_AT) if not oldest.has_more_to_read())
            if (oldest := next(silent, None)) is not None:
                self._drop(oldest)
        if self._alarm is None:
            self._alarm = connection.loop.call_later(self._seconds, self._drop_the_late, connection.loop)

    def end(self, connection: RequestTimeoutProtocol) -> None:
        """It is whole, or will never be."""
        self._since.pop(connection, None)

    def _drop_the_late(self, loop: asyncio.AbstractEventLoop) -> None:
        self._alarm = None
        begun = loop.time() - self._seconds
        for connection in [late for late, since in self._since.items() if since <= begun]:
            self._drop(connection)
        if self._since:
            self._alarm = loop.call_at(next(iter(self._since.values())) + self._seconds, self._drop_the_late, loop)

    def _drop(self, connection: RequestTimeoutProtocol) -> None:
        del self._since[connection]
        # Not closed: that would wait until all is read of an answer that was given before the request was whole.
        connection.transport.abort()


class RequestTimeoutProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - as uvicorn has it
        super().__init__(*arguments, **named)
        self._arrivals: PendingRequests = self.app_state[STATE]
        self._beside_body = 0
        self._body_bytes = 0
        self._is_whole = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # likewise
        """Await its first request."""
        super().connection_made(transport)
        self._arrivals.begin(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Await nothing any more."""
        self._arrivals.end(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Await the rest, unless this was it."""
        if not self._is_answering():
            self._arrivals.begin(self)
        self._body_bytes, self._is_whole = 0, False
        super().data_received(data)
        self._beside_body = 0 if self._is_whole else self._beside_body + len(data) - self._body_bytes
        if self._beside_body > _MOST_BYTES_BESIDE_BODY and not self.transport.is_closing():
            self._refuse()

    def has_more_to_read(self) -> bool:
        """Whether the kernel has something for it, be it the end."""
        waiting = select.poll()
        waiting.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(waiting.poll(0))

    def handle_websocket_upgrade(self) -> None:
        """It has a protocol of its own from now on, with a time limit of its own."""
        self._arrivals.end(self)
        super().handle_websocket_upgrade()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers, which come after a body, are nothing that anybody reads."""
        if self.cycle is None or self.cycle.scope is not self.scope:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Pass it on."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._is_whole = True
        self._arrivals.end(self)
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # It was answered before it was whole, and its rest stopped the clock that the answer had set.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _refuse(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response("The request has too much beside its body.")
        else:
            self.transport.abort()
