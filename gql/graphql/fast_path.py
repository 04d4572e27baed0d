"""The fast path: a query or mutation by POST, as clients usually send it, without the framework around its execution.

Routing, dependencies, Strawberry's view and its extensions take several times as long as a small operation. What is
left out here is only what has no effect on the request: the limits, the timeout, the telemetry and the masking of
errors stay. A request that is not the common one, or not valid, takes Strawberry's router, so that each refusal is
written once. The responses are the same on both ways, byte for byte.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import orjson
from graphql import OperationType
from starlette._utils import get_route_path
from starlette.requests import ClientDisconnect, HTTPConnection

from gql.graphql.requests import RequestRefused, check_content_type, response_protocol
from gql.graphql.responses import encode, response_body, status_of
from gql.http import negotiation
from gql.middleware.authentication import GRAPHQL
from schema.limits.extension import exceeded_limit

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gql.graphql.request_reader import OperationRequest, RequestReader
    from gql.settings import ApiSettings
    from schema.context import Context
    from schema.limits.document_cache import ValidatedDocument
    from schema.schema import JobSchema

# Characters. Clients send a few short values of Content-Type and Accept again and again: those are cached.
_MAX_HEADER_LENGTH = 200


class GraphQLFastPath:
    """The innermost middleware: executes the common request, and forwards any other with its body."""

    def __init__(
        self,
        app: ASGIApp,
        schema: JobSchema,
        settings: ApiSettings,
        reader: RequestReader,
        new_context: Callable[[HTTPConnection], Context],
    ) -> None:
        self._app = app
        self._schema = schema
        self._settings = settings
        self._reader = reader
        self._new_context = new_context

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Execute the request, or forward it."""
        if scope["type"] != "http" or scope["method"] != "POST" or get_route_path(scope) != GRAPHQL:
            await self._app(scope, receive, send)
            return
        media_type = _response_type(scope)
        if media_type is None:
            await self._app(scope, receive, send)
            return
        body = await _read(receive)
        found = self._operation(body)
        if found is None:
            await self._app(scope, _repeating(body, receive), send)
            return
        document, request = found
        context = self._new_context(HTTPConnection(scope))
        result = await self._schema.execute_operation(document, context, request.variables, request.operation_name)
        await _respond(response_body(result), media_type, send)

    def _operation(self, body: bytes) -> tuple[ValidatedDocument, OperationRequest] | None:
        """The operation and its document, None unless the whole request is valid, up to the values of its variables."""
        try:
            parameters = orjson.loads(body)
            if not isinstance(parameters, dict):
                return None
            request = self._reader.read(parameters)
        except (orjson.JSONDecodeError, RequestRefused):
            return None
        document = request.document
        if document is None or document.errors or request.kind is OperationType.SUBSCRIPTION:
            return None
        if exceeded_limit(document, request.operation_name, request.variables, self._settings) is not None:
            return None
        return document, request


def _response_type(scope: Scope) -> str | None:
    """The media type of a single JSON response, None if the headers call for something else."""
    content_type = accept = None
    # As gql.http.fields.combined, in less time.
    for name, value in scope["headers"]:
        if name == b"content-type":
            content_type = value if content_type is None else content_type + b", " + value
        elif name == b"accept":
            accept = value if accept is None else accept + b", " + value
    content_type, accept = content_type or b"", accept or b""
    return _negotiated(content_type, accept) if len(content_type) + len(accept) <= _MAX_HEADER_LENGTH else None


@lru_cache(maxsize=256)
def _negotiated(content_type: bytes, accept: bytes) -> str | None:
    accepted = accept.decode("latin-1")
    try:
        check_content_type(content_type.decode("latin-1"))
        # The same for a mutation.
        protocol = response_protocol("POST", accepted, OperationType.QUERY, queries_by_get=False)
    except RequestRefused:
        return None
    return negotiation.json_type(accepted) if protocol == "http" else None


async def _read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body


def _repeating(body: bytes, receive: Receive) -> Receive:
    """Receive the body again, then what comes after it."""
    is_received = False

    async def receive_again() -> Message:
        nonlocal is_received
        if is_received:
            return await receive()
        is_received = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again


async def _respond(body: object, media_type: str, send: Send) -> None:
    content = encode(body)
    headers = [
        (b"content-length", str(len(content)).encode()),
        (b"content-type", media_type.encode()),
        (b"vary", b"Accept"),
    ]
    status = status_of(media_type, body)
    await send({"type": "http.response.start", "status": status.value, "headers": headers})
    await send({"type": "http.response.body", "body": content})
