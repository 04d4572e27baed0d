"""Authentication middleware for all HTTP routes. New routes require credentials by default.

Public routes are listed here. WebSockets authenticate in their first message (gql.graphql.websocket).
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import orjson
from graphql import GraphQLError
from starlette._utils import get_route_path
from starlette.datastructures import Headers

from gql.auth.authenticator import NotAuthenticated
from gql.http import negotiation
from gql.http.fields import combined
from gql.http.problem_details import problem, problem_of
from schema.errors.convert import graphql_error
from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gql.auth.authenticator import Authenticator
    from gql.auth.sessions import Session
    from tasks.callers import Caller

GRAPHQL = "/graphql"

# Pages, their files and the state of the system: no data of any caller.
_PUBLIC_PATHS = frozenset({"/", "/livez", "/readyz", "/docs", "/openapi.json"})
_PUBLIC_PREFIXES = ("/static/", "/explorer/", "/docs/")

_SCOPE_KEY = "session"


class _SessionEndedError(Exception):
    pass


def session_of(connection: HTTPConnection) -> Session | None:
    """The session of a request; None when authentication is disabled."""
    session: Session | None = connection.scope.get(_SCOPE_KEY)
    return session


def caller_of(connection: HTTPConnection) -> Caller:
    """The caller of a request."""
    session = session_of(connection)
    return ANYONE if session is None else session.caller


class AuthenticationMiddleware:
    """Authenticates each request by its Authorization header. Errors have the shape of the endpoint's own."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._authenticator = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request with its session, or respond with 401, or with 503 when the key store is unavailable."""
        if scope["type"] != "http" or _is_public(scope):
            await self._app(scope, receive, send)
            return
        try:
            session = await self._authenticator.authenticate(combined(Headers(scope=scope), "authorization"))
        except NotAuthenticated as error:
            await _unauthenticated(scope, error)(scope, receive, send)
            return
        except BackendUnavailable as error:
            await _unavailable(scope, error)(scope, receive, send)
            return
        scope[_SCOPE_KEY] = session
        # GraphQL streams end with a GraphQL error instead.
        forward = send if get_route_path(scope) == GRAPHQL else _abort_after_end(send, session)
        with session.revalidating(), suppress(_SessionEndedError):
            await self._app(scope, receive, forward)


def _abort_after_end(send: Send, session: Session) -> Send:
    """Break off a download when its session ends."""

    async def send_while_valid(message: Message) -> None:
        if session.ended.is_set() and message.get("more_body"):
            raise _SessionEndedError
        await send(message)

    return send_while_valid


def _is_public(scope: Scope) -> bool:
    path = get_route_path(scope)
    if path in _PUBLIC_PATHS or path.startswith(_PUBLIC_PREFIXES):
        return True
    # The explorer at /graphql is public. A GET without a document can't do anything else.
    if path != GRAPHQL or scope["method"] not in {"GET", "HEAD"}:
        return False
    return (
        not {"query", "documentId"} & parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).keys()
    )


def _unauthenticated(scope: Scope, error: NotAuthenticated) -> Response:
    challenge = 'Bearer realm="primes"'
    if error.presented:
        challenge += ', error="invalid_token"'
    response = problem(HTTPStatus.UNAUTHORIZED, str(error))
    response.headers["WWW-Authenticate"] = challenge
    return _in_shape_of_endpoint(scope, response, GraphQLError(str(error), extensions={"code": "UNAUTHENTICATED"}))


def _unavailable(scope: Scope, error: BackendUnavailable) -> Response:
    return _in_shape_of_endpoint(scope, problem_of(error), graphql_error(error))


def _in_shape_of_endpoint(scope: Scope, response: Response, error: GraphQLError) -> Response:
    """The problem response, or one with its status and headers and the GraphQL error."""
    if get_route_path(scope) != GRAPHQL:
        return response
    response.body = orjson.dumps({"errors": [error.formatted]})
    response.headers["Content-Length"] = str(len(response.body))
    response.headers["Content-Type"] = negotiation.json_type(combined(Headers(scope=scope), "accept") or "")
    return response
