"""Server error middleware: responds to unexpected errors with 500 and a trace id, and logs them."""

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
from gql.http.fields import combined
from gql.http.problem_details import problem
from schema.errors import masking

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)


class ServerErrorMiddleware:
    """Converts exceptions to a 500 response, as problem details or as a GraphQL error, with the trace id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request. Once the response has started, an exception can only abort the connection."""
        response_started = False

        async def send_noted(message: Message) -> None:
            nonlocal response_started
            response_started = True
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except Exception as error:
            if scope["type"] != "http" or response_started:
                raise
            trace_id = masking.trace_id()
            log.exception("Unexpected error in %s %s, trace %s", scope["method"], scope["path"], trace_id)
            span = trace.get_current_span()
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR))
            await _internal_error(scope, trace_id)(scope, receive, send)


def _internal_error(scope: Scope, trace_id: str) -> Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    if get_route_path(scope) != "/graphql":
        return problem(status, masking.UNEXPECTED_ERROR_MESSAGE, traceId=trace_id)
    error = {
        "message": masking.UNEXPECTED_ERROR_MESSAGE,
        "extensions": {"code": masking.UNEXPECTED_ERROR_CODE, "traceId": trace_id},
    }
    media_type = negotiation.json_type(combined(Headers(scope=scope), "accept") or "")
    return Response(orjson.dumps({"errors": [error]}), status, media_type=media_type)
