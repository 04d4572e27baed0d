"""Subscriptions to a job: over a WebSocket that the user keeps, or over Server-Sent Events.

Both yield updates as they arrive and None from time to time while none arrive, and end when the server completes the
stream. A stream that ends otherwise raises `StreamError`; the caller then subscribes again.

The calls block, but only their own greenlet: Locust applies gevent's patches when it is imported.
"""

from __future__ import annotations

import itertools
import json
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

import websocket

from loadtest.users import operations

if TYPE_CHECKING:
    from collections.abc import Iterator

    from locust.contrib.fasthttp import FastHttpSession, ResponseContextManager

    from loadtest.users.final_events import Update

# Without an event for this long, the stream yields None, so that the caller can query the job itself.
SILENCE_SECONDS = 5

_CONNECT_SECONDS = 10
_EVENT_STREAM = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
_OK = 200


class StreamError(Exception):
    """The connection failed or ended before the stream was complete."""


class Socket:
    """A user's WebSocket (graphql-transport-ws): opened on first use, and again after it was closed."""

    def __init__(self, url: str, authorization: str | None) -> None:
        """Takes the http or https URL of the GraphQL endpoint, and the credentials for connection_init."""
        self._url = url.replace("http", "ws", 1)
        self._connection_init: dict[str, Any] = {"type": "connection_init"}
        if authorization:
            self._connection_init["payload"] = {"Authorization": authorization}
        self._socket: websocket.WebSocket | None = None
        self._ids = itertools.count(1)

    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """Subscribe. Yields events of earlier subscriptions too, which the caller counts as violations."""
        subscription = str(next(self._ids))
        payload = {"query": operations.FOLLOW, "variables": {"id": job_id, "after": after}}
        completed = False
        try:
            self._send({"type": "subscribe", "id": subscription, "payload": payload})
            while not completed:
                message = self._receive()
                match message.get("type"):
                    case "next":
                        yield operations.parse_update(message["payload"])
                    case "complete":
                        completed = message["id"] == subscription
                    case "error":
                        completed = True
                        operations.response_data({"errors": message["payload"]})
                    case "ping":
                        self._send({"type": "pong"})
                    case _:
                        yield None
        except (OSError, websocket.WebSocketException, ValueError) as error:
            self.close()
            raise StreamError(type(error).__name__) from error
        finally:
            if not completed:
                # After an early exit the rest of this stream would arrive in the next one.
                self.close()

    def close(self) -> None:
        """Close without waiting for the server's close frame."""
        if self._socket is not None:
            self._socket.close(timeout=0)
            self._socket = None

    def _open(self) -> websocket.WebSocket:
        if self._socket is None:
            self._socket = websocket.create_connection(
                self._url,
                timeout=_CONNECT_SECONDS,
                subprotocols=["graphql-transport-ws"],
                suppress_origin=True,
                # Never through a proxy of the environment, as Locust's HTTP client. The library reads the exemptions
                # only if a proxy is given.
                http_proxy_host="none",
                http_no_proxy=["*"],
            )
            self._socket.send(json.dumps(self._connection_init))
            if self._receive().get("type") != "connection_ack":
                raise websocket.WebSocketException("connection_ack expected")
            self._socket.settimeout(SILENCE_SECONDS)
        return self._socket

    def _send(self, message: dict[str, Any]) -> None:
        text = json.dumps(message)
        was_open = self._socket is not None
        try:
            self._open().send(text)
        except (OSError, websocket.WebSocketException):
            self.close()
            if not was_open:
                raise
            # The server or a proxy closed the connection while it was idle.
            self._open().send(text)

    def _receive(self) -> dict[str, Any]:
        """The next message; an empty one after SILENCE_SECONDS or for a frame without a message."""
        socket = self._open()
        try:
            opcode, frame = socket.recv_data_frame(control_frame=True)
        except websocket.WebSocketTimeoutException:
            return {}
        if opcode == websocket.ABNF.OPCODE_CLOSE:
            raise websocket.WebSocketConnectionClosedException("closed")
        if opcode != websocket.ABNF.OPCODE_TEXT:
            return {}
        message: dict[str, Any] = json.loads(frame.data)
        return message


def event_stream(client: FastHttpSession, job_id: str, after: int | None) -> Iterator[Update | None]:
    """Subscribe by Server-Sent Events with the user's HTTP client. Yields None for each keep-alive comment."""
    payload = {"query": operations.FOLLOW, "variables": {"id": job_id, "after": after}}
    # Not entered as a context manager, so that Locust does not record a request: the caller records the stream.
    response = client.post("/graphql", json=payload, headers=_EVENT_STREAM, stream=True, catch_response=True)
    if response.status_code != _OK:
        raise StreamError(f"HTTP {response.status_code}" if response.status_code else "no connection")
    completed = False
    event = ""
    for line in _lines(response):
        name, _, text = line.partition(":")
        match name:
            case "event":
                event = text.strip()
                completed = completed or event == "complete"
            case "data" if event == "next":
                yield operations.parse_update(json.loads(text))
            case "" if line:
                yield None
    if not completed:
        raise StreamError("stream ended before complete")


def _lines(response: ResponseContextManager) -> Iterator[str]:
    """Lines as they arrive, to the end of the body; then releases the connection."""
    # Locust's own methods wait until a buffer is full.
    body = response._response  # noqa: SLF001
    if body is None:
        raise StreamError("response without a body")
    try:
        while line := body.readline(b"\n"):
            yield line.decode().rstrip("\r\n")
    except (OSError, HTTPException) as error:
        raise StreamError(type(error).__name__) from error
    finally:
        body.release()
