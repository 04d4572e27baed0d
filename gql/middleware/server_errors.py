"""Answers unexpected errors with 500 and a trace id, and logs them."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

import orjson
from fastapi import Response
from opentelemetry import trace
from opentelemetry.trace import Status, StatusCode
from starlette._utils import get_route_path
from starlette.datastructures import Headers

from gql.http import negotiation
from gql.http.problem_details import problem
from schema.errors import masking

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class ServerErrorMiddleware:
    """ASGI middleware: 500 for whatever is raised, as a problem or in GraphQL's shape, with its trace id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on. An answer that has begun can only be broken off."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noted)
        except Exception as error:
            if scope["type"] != "http" or begun:
                raise
            found = masking.trace_id()
            log.exception("%s %s failed, trace %s", scope["method"], scope["path"], found)
            span = trace.get_current_span()
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR))
            await _internal_error(scope, found)(scope, receive, send)


def _internal_error(scope: Scope, found: str) -> Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if get_route_path(scope) != "/graphql":
        return problem(status, masking.UNEXPECTED_ERROR_MESSAGE, traceId=found)
    error = {
        "message": masking.UNEXPECTED_ERROR_MESSAGE,
        "extensions": {"code": masking.UNEXPECTED_ERROR_CODE, "traceId": found},
    }
    chosen = negotiation.json_type(Headers(scope=scope).get("accept", ""))
    return Response(orjson.dumps({"errors": [error]}), status, media_type=chosen)
