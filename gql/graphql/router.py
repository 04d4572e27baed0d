"""The GraphQL endpoint: queries and mutations by POST, subscriptions by WebSocket, Server-Sent Events and multipart.

GET returns GraphiQL to browsers and serves subscriptions as event streams, since EventSource supports no other method.
Queries by GET are off by default (QUERIES_BY_GET), mutations by GET are always refused. Built on Strawberry's router,
with the status codes and media types of the GraphQL over HTTP specification, and an error body for malformed requests.
"""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

import orjson
from cross_web import HTTPException
from starlette.requests import HTTPConnection  # noqa: TC002 - FastAPI reads the annotation
from starlette.responses import HTMLResponse, Response
from strawberry.fastapi import GraphQLRouter
from strawberry.http import GraphQLRequestData
from strawberry.subscriptions import (
    GRAPHQL_SSE_PROTOCOL,
    GRAPHQL_TRANSPORT_WS_PROTOCOL,
    MULTIPART_SUBSCRIPTION_PROTOCOL,
)
from strawberry.types.unset import UNSET

from gql import explorer
from gql.graphql import streaming
from gql.graphql.requests import RequestRefused, check_content_type, response_protocol
from gql.graphql.responses import encode, response_body, status_of
from gql.graphql.websocket import handler_class
from gql.http import fields, negotiation
from gql.http.addresses import path_prefix
from gql.http.json_text import parse_json
from gql.middleware.authentication import session_of
from schema.context import Context
from tasks.callers import ANYONE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping

    from starlette.requests import Request
    from strawberry.http import GraphQLHTTPResponse
    from strawberry.types import ExecutionResult

    from gql.auth.authenticator import Authenticator
    from gql.graphql.request_reader import RequestReader
    from gql.settings import ApiSettings
    from schema.schema import JobSchema
    from tasks.service import JobSystem

_CONNECTION_INIT_TIMEOUT = timedelta(seconds=10)

# A GET with one of these has an operation. Without, it requests GraphiQL.
_OPERATION_PARAMETERS = ("query", "documentId", "extensions")


def create_router(
    schema: JobSchema,
    settings: ApiSettings,
    reader: RequestReader,
    new_context: Callable[[HTTPConnection], Context],
    authenticator: Authenticator | None = None,
) -> GraphQLOverHTTPRouter:
    """The router with a context for each request, and its stream transports."""

    # FastAPI runs a dependency that is not a coroutine function in a thread, which takes longer than the function.
    async def context(connection: HTTPConnection) -> Context:
        return new_context(connection)

    return GraphQLOverHTTPRouter(schema, context, settings, reader, authenticator)


def contexts(
    system: JobSystem, settings: ApiSettings, authenticator: Authenticator | None
) -> Callable[[HTTPConnection], Context]:
    """A function that returns the context of a request or WebSocket."""

    def new_context(connection: HTTPConnection) -> Context:
        caller = ANYONE if authenticator is None else None
        context = Context(system, settings, caller, path_prefix(connection.scope))
        if (session := session_of(connection)) is not None:
            context.authenticate(session)
        return context

    return new_context


class _StreamEndedError(Exception):
    """An EventSource connects again after the end of its stream."""


class GraphQLResponse(Response):
    """A single JSON response, which keeps its body: `run` chooses the status by it."""

    media_type = negotiation.LEGACY_JSON

    def __init__(self, body: object, status: int) -> None:
        super().__init__(encode(body), status)
        self.graphql_body = body


class GraphQLOverHTTPRouter(GraphQLRouter[Context, None]):
    """Strawberry's router, with the responses of the GraphQL over HTTP specification."""

    schema: JobSchema

    def __init__(
        self,
        schema: JobSchema,
        context_getter: Callable[[HTTPConnection], Awaitable[Context]],
        settings: ApiSettings,
        reader: RequestReader,
        authenticator: Authenticator | None,
    ) -> None:
        super().__init__(
            schema,
            graphql_ide="graphiql" if settings.has_graphiql else None,
            allow_queries_via_get=settings.queries_by_get,
            context_getter=context_getter,
            subscription_protocols=(
                GRAPHQL_TRANSPORT_WS_PROTOCOL,
                GRAPHQL_SSE_PROTOCOL,
                MULTIPART_SUBSCRIPTION_PROTOCOL,
            ),
            connection_init_wait_timeout=_CONNECTION_INIT_TIMEOUT,
            max_subscriptions_per_connection=settings.max_subscriptions_per_connection,
            allowed_origins=sorted(settings.origins),
        )
        self._reader = reader
        self.graphql_transport_ws_handler_class = handler_class(reader, authenticator)
        self.stream_transport_classes_by_protocol = streaming.transports(settings.heartbeat_seconds)

    async def run(self, request: Any, context: Any = UNSET, root_value: Any = UNSET) -> Any:  # noqa: ANN401 - as Strawberry has it
        """Execute a request. Refused requests get a GraphQL error as well."""
        try:
            response = await super().run(request, context, root_value)
        except RequestRefused as refusal:
            response = _error_response(refusal)
        except HTTPException as error:
            response = _error_response(RequestRefused(HTTPStatus(error.status_code), error.reason))
        except _StreamEndedError:
            response = Response(status_code=HTTPStatus.NO_CONTENT, headers={"Cache-Control": "no-store"})
        if isinstance(response, GraphQLResponse):
            media_type = negotiation.json_type(_field(request, "accept"))
            response.headers["content-type"] = media_type
            if response.status_code == HTTPStatus.OK:
                response.status_code = status_of(media_type, response.graphql_body)
        if isinstance(response, Response):
            response.headers["vary"] = "Accept"
        return response

    async def parse_http_body(self, request: Any) -> GraphQLRequestData:  # noqa: ANN401 - as Strawberry has it
        """The operation and the protocol of its response."""
        if request.method == "GET":
            parameters = self.parse_query_params(request.query_params)
        else:
            check_content_type(_field(request, "content-type"))
            parameters = self.parse_json(await request.get_body())
        read = self._reader.read(parameters)
        protocol = response_protocol(
            request.method,
            _field(request, "accept"),
            read.kind,
            queries_by_get=self.allow_queries_via_get,
        )
        if protocol == "sse" and request.method == "GET":
            end_id = streaming.mark_end(read.query, read.operation_name, read.variables)
            if _field(request, "last-event-id") == end_id:
                raise _StreamEndedError
        return GraphQLRequestData(read.query, read.variables, read.operation_name, read.extensions, protocol)

    def should_render_graphql_ide(self, request: Any) -> bool:  # noqa: ANN401 - as Strawberry has it
        """Whether a browser requests the page instead of the result of a document."""
        if request.method != "GET" or any(request.query_params.get(name) for name in _OPERATION_PARAMETERS):
            return False
        return negotiation.accepts(_field(request, "accept") or "*/*", negotiation.HTML)

    def parse_query_params(self, params: Any) -> dict[str, Any]:  # noqa: ANN401 - as Strawberry has it
        """The GraphQL request in the query string of a GET. An empty parameter is the same as none."""
        parameters = {name: value for name, value in params.items() if value}
        for name in ("variables", "extensions"):
            if name in parameters:
                parameters[name] = self._json(parameters[name], name)
        return parameters

    def parse_json(self, data: str | bytes) -> dict[str, Any]:
        """The GraphQL request in the body of a POST."""
        document = self._json(data, "the body")
        if isinstance(document, list):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "Batching is not enabled")
        if not isinstance(document, dict):
            raise RequestRefused(HTTPStatus.BAD_REQUEST, "the body must be a JSON object")
        return document

    def _json(self, data: str | bytes, what: str) -> Any:  # noqa: ANN401 - any JSON
        try:
            return self.decode_json(data)
        except ValueError as error:
            raise RequestRefused(HTTPStatus.BAD_REQUEST, f"{what} is not valid JSON") from error

    def decode_json(self, data: str | bytes) -> object:
        """Parse a request: also a WebSocket's messages."""
        return parse_json(data)

    def encode_json(self, data: object) -> str:
        """JSON as text: a WebSocket would send bytes as a binary message."""
        return orjson.dumps(data).decode()

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:
        """The response body."""
        del request
        if result.errors:
            streaming.note_errors(result.errors)
        return response_body(result)

    def create_response(
        self, response_data: GraphQLHTTPResponse | list[GraphQLHTTPResponse], sub_response: Response
    ) -> Response:
        """A single response. `run` sets its media type."""
        return GraphQLResponse(response_data, sub_response.status_code or HTTPStatus.OK)

    async def create_streaming_response(
        self,
        request: Request,
        stream: Callable[[], AsyncIterator[str]],
        sub_response: Response,
        headers: Mapping[str, str],
    ) -> Response:
        """A stream that no proxy buffers. Strawberry does not send the opening boundary of a multipart body."""
        headers = {**streaming.UNBUFFERED, **headers}
        if headers["Content-Type"].startswith(negotiation.MULTIPART):
            # Strawberry's own streams are generators.
            chunks = cast("Callable[[], AsyncGenerator[str]]", stream)
            return await super().create_streaming_response(
                request, lambda: streaming.with_opening_boundary(chunks()), sub_response, headers
            )
        return await super().create_streaming_response(request, stream, sub_response, headers)

    async def render_graphql_ide(self, request: Request) -> HTMLResponse:
        """GraphiQL, or the fallback page if it was not built."""
        page = explorer.page(explorer.GRAPHIQL) or explorer.fallback(str(request.url.replace(query="")))
        return HTMLResponse(page, headers={"Content-Security-Policy": explorer.CONTENT_SECURITY_POLICY})


def _field(request: Any, name: str) -> str:  # noqa: ANN401 - Strawberry's adapter or Starlette's request
    return fields.combined(request.headers, name) or ""


def _error_response(refusal: RequestRefused) -> GraphQLResponse:
    response = GraphQLResponse({"errors": [refusal.formatted]}, refusal.status)
    if refusal.status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "POST"
    return response
