"""uvicorn's protocols for one connection, HTTP and WebSocket, as RFC 9110, 9112 and 6455 define them.

httptools ends a request with an Upgrade header after its head: the body of one that stays HTTP would be read as another
request. websockets closes no connection whose handshake it cannot read.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httptools
from starlette.datastructures import Headers
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gql.http.fields import tokens
from gql.server.slow_requests import STATE, PendingRequests, RequestTimeoutProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
    from uvicorn._types import ASGI3Application
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle
    from websockets.http11 import Request

_WEBSOCKET_VERSION = "13"


class HttpProtocol(RequestTimeoutProtocol):
    """Takes up an Upgrade to a WebSocket only. A request with any other one is read as if it had none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on to uvicorn's class
        super().__init__(*args, **kwargs)
        self.parser = _RequestParser(self)
        if self.ws_protocol_class is not None:
            self.ws_protocol_class = WebSocketProtocol
        self._is_handshake = False

    def ignores_upgrade(self) -> bool:
        """Whether the current request has an Upgrade that is not taken up."""
        # CONNECT is an upgrade without a header.
        return self.parser.should_upgrade() and not self._is_handshake and self.parser.get_method() != b"CONNECT"

    def head_without_upgrade(self) -> bytes:
        """The head of the current request, without its Upgrade header."""
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])

    def on_headers_complete(self) -> None:
        """Start the request, unless its head is about to be read again."""
        if self.expect_100_continue and self.parser.get_http_version() != "1.1":
            # RFC 9110, 10.1.1: HTTP/1.0 has no 100 Continue.
            self.expect_100_continue = False
        self._is_handshake = self.parser.should_upgrade() and self._is_websocket_handshake()
        if not self.ignores_upgrade():
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Complete the request, unless it is a handshake or its head is about to be read again."""
        if not self._is_handshake and not self.ignores_upgrade():
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Replace this protocol by the one of the WebSocket, which accepts no list in the Upgrade header."""
        others = [header for header in self.headers if header[0] != b"upgrade"]
        self.headers[:] = [*others, (b"upgrade", b"websocket")]
        super().handle_websocket_upgrade()

    def _is_websocket_handshake(self) -> bool:
        headers = Headers(raw=self.headers)
        return (
            self.ws_protocol_class is not None
            and "websocket" in tokens(headers, "upgrade")
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            # RFC 6455 has no body in a handshake.
            and headers.get("content-length", "0") == "0"
            and "transfer-encoding" not in headers
            # The response to an earlier request is sent first.
            and (self.cycle is None or self.cycle.response_complete)
        )

    def _should_upgrade(self) -> bool:
        return self._is_handshake

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        is_framed = cycle.scope["http_version"] == "1.1"
        super()._start_asgi_task(cycle, app if is_framed else _Unframed(app, cycle))  # type: ignore[arg-type]


class _RequestParser(httptools.HttpRequestParser):
    """httptools' parser, which reads the head of a request again if its Upgrade is not taken up."""

    def __init__(self, protocol: HttpProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol
        # As uvicorn sets it: data after a request with `Connection: close` is not an error.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed_data(self, data: Any) -> None:  # noqa: ANN401 - as httptools has it
        """Parse data.

        Raises:
            HttpParserUpgrade: the request is a WebSocket handshake.
        """
        parser: httptools.HttpRequestParser = self
        while True:
            try:
                httptools.HttpRequestParser.feed_data(parser, data)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._protocol.ignores_upgrade():
                    raise
                head = self._protocol.head_without_upgrade()
                # This one is in the state after the request, which may have closed the connection.
                parser = self._protocol.parser = _RequestParser(self._protocol)
                httptools.HttpRequestParser.feed_data(parser, head)
                data = memoryview(data)[upgrade.args[0] :]
            else:
                return


class _Unframed:
    """Ends a response without a length by the end of the connection: a client of HTTP/1.0 knows no chunks."""

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, and the response without chunked framing."""
        has_length = True

        async def send_unframed(message: Message) -> None:
            nonlocal has_length
            if message["type"] == "http.response.start":
                has_length = "content-length" in Headers(raw=message["headers"])
                self._cycle.chunked_encoding = None if has_length else False
            elif not has_length:
                self._cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await self._app(scope, receive, send_unframed)


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's protocol for a WebSocket, whose handshake is limited as a request is (RequestTimeoutProtocol)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on to uvicorn's class
        super().__init__(*args, **kwargs)
        self._pending: PendingRequests = self.app_state[STATE]

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timeout."""
        self._pending.remove(self.transport)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Close the connection if the data is no handshake that websockets can read."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Stop the timeout if the handshake is valid. One of another version is rejected with the supported one."""
        if event.headers.get_all("Sec-WebSocket-Version") not in ([], [_WEBSOCKET_VERSION]):
            self._reject_version()
            return
        super().handle_connect(event)
        if self.conn.handshake_exc is None:
            self._pending.remove(self.transport)

    def _reject_version(self) -> None:
        response = self.conn.reject(HTTPStatus.UPGRADE_REQUIRED, "Unsupported Sec-WebSocket-Version.\n")
        response.headers["Sec-WebSocket-Version"] = _WEBSOCKET_VERSION
        self.conn.send_response(response)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.handshake_complete = self.close_sent = True
        self.transport.close()
