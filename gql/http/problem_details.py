"""Errors of the REST endpoints as problem details (RFC 9457): one table from the service's errors to status codes.

Clients of the earlier API read `detail`. The other members are new.
"""

from __future__ import annotations

import math
from http import HTTPMethod, HTTPStatus
from typing import TYPE_CHECKING

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match, Mount

from tasks import errors

if TYPE_CHECKING:
    from datetime import timedelta

MEDIA_TYPE = "application/problem+json"


def problem(status: HTTPStatus, detail: str, retry_after: timedelta | None = None, **extensions: object) -> Response:
    """A problem response."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **extensions}
    headers = {} if retry_after is None else {"Retry-After": str(math.ceil(retry_after.total_seconds()))}
    return Response(orjson.dumps(body), status.value, headers, media_type=MEDIA_TYPE)


def problem_of(error: errors.JobError) -> Response:
    """The problem response of an expected failure."""
    match error:
        case errors.InvalidRequest():
            return problem(HTTPStatus.BAD_REQUEST, str(error))
        case errors.JobNotFound():
            return problem(HTTPStatus.NOT_FOUND, str(error))
        case errors.JobAlreadyFinished() | errors.JobNotRetryable():
            return problem(HTTPStatus.CONFLICT, str(error))
        case errors.IdempotencyConflict():
            return problem(HTTPStatus.CONFLICT, str(error), request_id=error.existing.id)
        case errors.RateLimited():
            return problem(HTTPStatus.TOO_MANY_REQUESTS, str(error), error.retry_after)
        case errors.QueueFull() | errors.BackendUnavailable():
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), error.retry_after)
        case _:
            raise NotImplementedError(f"{type(error).__name__} has no problem response") from error


def _methods(request: Request) -> list[str]:
    """The methods of all routes of a path. A router lists those of one route only."""
    # A mounted application has its own 405.
    routes = [route for route in request.app.routes if not isinstance(route, Mount)]
    scopes = {method.value: {**request.scope, "method": method.value} for method in HTTPMethod}
    found = {
        method for method, scope in scopes.items() if any(route.matches(scope)[0] is Match.FULL for route in routes)
    }
    return sorted(found | {"HEAD"} if "GET" in found else found)


def add_exception_handlers(app: FastAPI) -> None:
    """Convert expected failures, and errors of the framework itself, into problem responses."""

    @app.exception_handler(errors.JobError)
    async def job_error(_: Request, error: errors.JobError) -> Response:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        response = problem(HTTPStatus(error.status_code), str(error.detail))
        response.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(request)):
            response.headers["Allow"] = ", ".join(methods)
        return response

    @app.exception_handler(ClientDisconnect)
    async def client_disconnected(_: Request, __: ClientDisconnect) -> Response:
        # No client receives this, but the disconnect must not be logged as an unexpected error.
        return problem(HTTPStatus.BAD_REQUEST, "client disconnected before the end of the request body")
