"""Following a job: over one WebSocket that a user keeps, or over Server-Sent Events.

Either way gives updates as they come, None now and then while there are none, and ends when the server says that the
stream is complete. A stream that ends in any other way raises `StreamBroken`, and one subscribes again.

Blocking calls, made to wait together by gevent's patches, which Locust applies when it is imported.
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

# So often the caller may look whether the job has ended unnoticed.
SILENCE_SECONDS = 5

_CONNECT_SECONDS = 10
_EVENT_STREAM = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}
_OK = 200


class StreamBroken(Exception):
    """The connection could not be made, or ended before the stream was complete."""


class Socket:
    """A user's WebSocket (graphql-transport-ws): opened when it is first needed, and again when it was closed."""

    def __init__(self, url: str, authorization: str | None) -> None:
        """The URL of the GraphQL endpoint, by http or https, and what the first message says of who is there."""
        self._url = url.replace("http", "ws", 1)
        self._greeting: dict[str, Any] = {"type": "connection_init"}
        if authorization:
            self._greeting["payload"] = {"Authorization": authorization}
        self._socket: websocket.WebSocket | None = None
        self._ids = itertools.count(1)

    def updates(self, job_id: str, after: int | None) -> Iterator[Update | None]:
        """Subscribe. Events of earlier subscriptions are given too: there should be none."""
        subscription = str(next(self._ids))
        payload = {"query": operations.FOLLOW, "variables": {"id": job_id, "after": after}}
        ended = False
        try:
            self._send({"type": "subscribe", "id": subscription, "payload": payload})
            while not ended:
                message = self._receive()
                match message.get("type"):
                    case "next":
                        yield operations.update(message["payload"])
                    case "complete":
                        ended = message["id"] == subscription
                    case "error":
                        ended = True
                        operations.data({"errors": message["payload"]})
                    case "ping":
                        self._send({"type": "pong"})
                    case _:
                        yield None
        except (OSError, websocket.WebSocketException, ValueError) as error:
            self.close()
            raise StreamBroken(type(error).__name__) from error
        finally:
            if not ended:
                # Whoever leaves early would get the rest of this stream with the next one.
                self.close()

    def close(self) -> None:
        """Say goodbye, without waiting for an answer."""
        if self._socket is not None:
            self._socket.close(timeout=0)
            self._socket = None

    def _open(self) -> websocket.WebSocket:
        if self._socket is None:
            self._socket = websocket.create_connection(
                self._url, timeout=_CONNECT_SECONDS, subprotocols=["graphql-transport-ws"], suppress_origin=True
            )
            self._socket.send(json.dumps(self._greeting))
            if self._receive().get("type") != "connection_ack":
                raise websocket.WebSocketException("not acknowledged")
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
            # It was closed while the user was thinking, as idle connections are.
            self._open().send(text)

    def _receive(self) -> dict[str, Any]:
        """The next message; an empty one after a while of silence, or when a frame came that carries none."""
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
    """Subscribe by Server-Sent Events, with the user's HTTP client; None for each sign of life."""
    payload = {"query": operations.FOLLOW, "variables": {"id": job_id, "after": after}}
    # Not entered as a context, so that it is not counted as a request: the caller tells how the stream went.
    response = client.post("/graphql", json=payload, headers=_EVENT_STREAM, stream=True, catch_response=True)
    if response.status_code != _OK:
        raise StreamBroken(f"HTTP {response.status_code}" if response.status_code else "no connection")
    completed = False
    kind = ""
    for line in _lines(response):
        name, _, text = line.partition(":")
        match name:
            case "event":
                kind = text.strip()
                completed = completed or kind == "complete"
            case "data" if kind == "next":
                yield operations.update(json.loads(text))
            case "" if line:
                yield None
    if not completed:
        raise StreamBroken("ended before it was complete")


def _lines(response: ResponseContextManager) -> Iterator[str]:
    """Lines as they come, to the end of the body; then the connection is free again."""
    # Underneath, since all that Locust offers waits until so and so many bytes have come.
    body = response._response  # noqa: SLF001
    if body is None:
        raise StreamBroken("no body")
    try:
        while line := body.readline(b"\n"):
            yield line.decode().rstrip("\r\n")
    except (OSError, HTTPException) as error:
        raise StreamBroken(type(error).__name__) from error
    finally:
        body.release()
