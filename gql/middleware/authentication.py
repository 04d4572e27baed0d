"""The one entrance to all HTTP doors: a new door is behind it without a word. WebSockets show who they are later.

What needs no key is listed here. All else is 401 without one, in the shape of the door's own errors.
"""

from __future__ import annotations

from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import orjson
from starlette._utils import get_route_path
from starlette.datastructures import Headers
from starlette.responses import Response

from gql.auth.authenticator import NotAuthenticated
from gql.http import negotiation
from gql.http.problem_details import problem, problem_of
from tasks.callers import ANYONE
from tasks.errors import BackendUnavailable

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from gql.auth.authenticator import Authenticator, Session
    from tasks.callers import Caller

GRAPHQL = "/graphql"

# Pages, their files, and what says how the system is: none of them has anything of a caller's.
_OPEN_TO_ALL = frozenset({"/", "/livez", "/readyz", "/docs", "/openapi.json"})
_OPEN_FOLDERS = ("/static/", "/explorer/", "/docs/")

_SCOPE_KEY = "pass"


class _Ended(Exception):
    pass


def session_of(connection: HTTPConnection) -> Session | None:
    """With what this request was let in; None where nobody is asked."""
    found: Session | None = connection.scope.get(_SCOPE_KEY)
    return found


def caller_of(connection: HTTPConnection) -> Caller:
    """Whose request this is."""
    found = session_of(connection)
    return ANYONE if found is None else found.caller


class AuthenticationMiddleware:
    """ASGI middleware: each request is let in by its Authorization header, or answered here."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator) -> None:
        self._app = app
        self._doorkeeper = authenticator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, with the caller's pass, unless it is refused."""
        if scope["type"] != "http" or _is_open(scope):
            await self._app(scope, receive, send)
            return
        try:
            admitted = await self._doorkeeper.admit(Headers(scope=scope).get("authorization"))
        except NotAuthenticated as refusal:
            await _refusal(scope, refusal)(scope, receive, send)
            return
        except BackendUnavailable as error:
            await _outage(scope, error)(scope, receive, send)
            return
        scope[_SCOPE_KEY] = admitted
        with admitted.watched(), suppress(_Ended):
            await self._app(scope, receive, _cut(send, admitted) if get_route_path(scope) != GRAPHQL else send)


def _cut(send: Send, admitted: Session) -> Send:
    """A file that is sent when its caller's right ends is sent no further; GraphQL's streams end by their own words."""

    async def guarded(message: Message) -> None:
        if admitted.ended.is_set() and message.get("more_body"):
            raise _Ended
        await send(message)

    return guarded


def _is_open(scope: Scope) -> bool:
    path = get_route_path(scope)
    if path in _OPEN_TO_ALL or path.startswith(_OPEN_FOLDERS):
        return True
    # The page at /graphql is for all. A request with no document in it can do nothing else.
    if path != GRAPHQL or scope["method"] not in {"GET", "HEAD"}:
        return False
    return (
        not {"query", "documentId"} & parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True).keys()
    )


def _refusal(scope: Scope, refusal: NotAuthenticated) -> Response:
    challenge = 'Bearer realm="primes"'
    if refusal.shown:
        challenge += ', error="invalid_token"'
    response = _answer(scope, HTTPStatus.UNAUTHORIZED, str(refusal), "UNAUTHENTICATED")
    response.headers["WWW-Authenticate"] = challenge
    return response


def _outage(scope: Scope, error: BackendUnavailable) -> Response:
    told = problem_of(error)
    response = _answer(scope, HTTPStatus.SERVICE_UNAVAILABLE, str(error), "BACKEND_UNAVAILABLE")
    response.headers["Retry-After"] = told.headers["Retry-After"]
    return response


def _answer(scope: Scope, status: HTTPStatus, message: str, code: str) -> Response:
    if get_route_path(scope) != GRAPHQL:
        return problem(status, message)
    body = orjson.dumps({"errors": [{"message": message, "extensions": {"code": code}}]})
    return Response(body, status, media_type=negotiation.json_type(Headers(scope=scope).get("accept", "")))
