"""Closes connections whose request is not complete in time, and limits their number.

uvicorn has no timeout for an incomplete request and no limit for their number, and open sockets cost an attacker
nothing. RequestTimeoutProtocol is uvicorn's HTTP protocol with both limits. The lifespan of the application passes the
limits in its state.
"""

from __future__ import annotations

import select
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gql.server import request_target

if TYPE_CHECKING:
    import asyncio

    from gql.settings import ApiSettings

# The key of PendingRequests in the state of the lifespan.
STATE: Final = "pending_requests"

# Everything of a request but its body: head, chunk framing, trailers. The usual limit of other servers.
_MAX_NON_BODY_BYTES = 65_536

# Connections to check for one that can be closed, 2 microseconds each.
_MAX_CHECKED = 32


class PendingRequests:
    """The connections whose request is not complete, oldest first. One per process.

    Above the limit, the oldest connection without unread data is closed. A well-behaved client completes its request
    within milliseconds and is not affected: in a burst, its data waits in the kernel while connections are accepted.
    """

    def __init__(self, max_pending: int, timeout_seconds: float) -> None:
        self._max_pending = max_pending
        self._timeout_seconds = timeout_seconds
        self._started_at: dict[asyncio.Transport, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def from_settings(cls, settings: ApiSettings) -> PendingRequests:
        """With the configured limits."""
        return cls(settings.max_arriving_requests, settings.arrival_seconds)

    def __len__(self) -> int:
        return len(self._started_at)

    def add(self, connection: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Start the timeout of a connection's next request, unless it runs already."""
        if connection in self._started_at:
            return
        self._started_at[connection] = loop.time()
        if len(self._started_at) > self._max_pending:
            oldest = islice(self._started_at, _MAX_CHECKED)
            idle = next((connection for connection in oldest if not _has_unread_data(connection)), None)
            if idle is not None:
                self._abort(idle)
        if self._timer is None:
            self._timer = loop.call_later(self._timeout_seconds, self._abort_timed_out, loop)

    def remove(self, connection: asyncio.Transport) -> None:
        """Stop the timeout: the request is complete, or the connection is closed."""
        self._started_at.pop(connection, None)

    def _abort_timed_out(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = None
        limit = loop.time() - self._timeout_seconds
        for connection in [pending for pending, started_at in self._started_at.items() if started_at <= limit]:
            self._abort(connection)
        if self._started_at:
            deadline = next(iter(self._started_at.values())) + self._timeout_seconds
            self._timer = loop.call_at(deadline, self._abort_timed_out, loop)

    def _abort(self, connection: asyncio.Transport) -> None:
        del self._started_at[connection]
        # close() would wait until the client has read a response that was sent before the request was complete.
        connection.abort()


def _has_unread_data(connection: asyncio.Transport) -> bool:
    """Whether the kernel has data for this connection, or its end."""
    poll = select.poll()
    poll.register(connection.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class RequestTimeoutProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with a timeout for each request."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on to uvicorn's class
        super().__init__(*args, **kwargs)
        self._pending: PendingRequests = self.app_state[STATE]
        self._non_body_bytes = 0
        self._body_bytes = 0
        self._is_complete = False
        self._prefix = request_target.removable_prefix(self.root_path)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in uvicorn's class
        """Start the timeout of the first request."""
        super().connection_made(transport)
        self._pending.add(self.transport, self.loop)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._pending.remove(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Keep the timeout running unless the data completes the request, and limit the bytes outside the body."""
        if not self._is_responding():
            self._pending.add(self.transport, self.loop)
        self._body_bytes, self._is_complete = 0, False
        super().data_received(data)
        self._non_body_bytes = 0 if self._is_complete else self._non_body_bytes + len(data) - self._body_bytes
        if self._non_body_bytes > _MAX_NON_BODY_BYTES and not self.transport.is_closing():
            self._reject()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. Trailers, which follow the body, are dropped: nothing reads them."""
        if self.cycle is None or self.cycle.scope is not self.scope:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Start the application with the target as a path."""
        if request_target.is_absolute(self.url):
            # In place: the scope has the same list.
            self.url, self.headers[:] = request_target.origin_form(self.url, self.headers)
        if self._prefix:
            self.url = request_target.without_prefix(self.url, self._prefix)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Count the bytes of the body."""
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Stop the timeout: the request is complete."""
        self._is_complete = True
        self._pending.remove(self.transport)
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # The response was sent before the request was complete: its rest cancelled the keep-alive timeout.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _is_responding(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body

    def _reject(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.send_400_response(f"Head, chunk framing and trailers exceed {_MAX_NON_BODY_BYTES} bytes.")
        else:
            self.transport.abort()
