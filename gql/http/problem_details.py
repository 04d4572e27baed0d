"""Errors of the REST doors as problem details (RFC 9457): one table from the service's errors to status codes.

`detail` is what clients of the earlier API read; the other members are new.
"""

from __future__ import annotations

import logging
import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tasks.errors import (
    BackendUnavailable,
    IdempotencyConflict,
    InvalidRequest,
    JobError,
    JobNotFound,
    QueueFull,
    RateLimited,
    TransitionRefused,
)

if TYPE_CHECKING:
    from datetime import timedelta


log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

# For the OpenAPI document: each operation names the statuses it can answer.
SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Bad Request"]},
        "status": {"type": "integer", "examples": [400]},
        "detail": {"type": "string", "examples": ["n is 0, must be 1 to 100000000"]},
    },
}


# Named so that the framework does not add errors of another shape, which are never sent.
ANY_OTHER: dict[int | str, dict[str, Any]] = {
    "default": {"description": "Any other error", "content": {MEDIA_TYPE: {"schema": SCHEMA}}}
}


def documented(status: HTTPStatus, description: str) -> dict[int | str, dict[str, Any]]:
    """One error answer for the OpenAPI document."""
    return {status.value: {"description": description, "content": {MEDIA_TYPE: {"schema": SCHEMA}}}}


def problem(status: HTTPStatus, detail: str, retry_after: timedelta | None = None, **extensions: object) -> Response:
    """A problem response."""
    body = {"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail, **extensions}
    headers = {} if retry_after is None else {"Retry-After": str(math.ceil(retry_after.total_seconds()))}
    return Response(orjson.dumps(body), status.value, headers, media_type=MEDIA_TYPE)


def problem_of(error: JobError) -> Response:
    """The response that stands for an expected failure."""
    match error:
        case InvalidRequest():
            return problem(HTTPStatus.BAD_REQUEST, str(error))
        case JobNotFound():
            return problem(HTTPStatus.NOT_FOUND, str(error))
        case TransitionRefused():
            return problem(HTTPStatus.CONFLICT, str(error))
        case IdempotencyConflict():
            return problem(HTTPStatus.CONFLICT, str(error), request_id=error.existing.id)
        case RateLimited():
            return problem(HTTPStatus.TOO_MANY_REQUESTS, str(error), error.retry_after)
        case QueueFull() | BackendUnavailable():
            return problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), error.retry_after)
        case _:
            raise error


def add_exception_handlers(app: FastAPI) -> None:
    """Answer every expected failure, and what the framework itself refuses, in this form."""

    @app.exception_handler(JobError)
    async def job_error(_: Request, error: JobError) -> Response:
        return problem_of(error)

    @app.exception_handler(HTTPException)
    async def http_error(_: Request, error: HTTPException) -> Response:
        response = problem(HTTPStatus(error.status_code), str(error.detail))
        response.headers.update(error.headers or {})
        return response

    @app.exception_handler(ClientDisconnect)
    async def hung_up(_: Request, __: ClientDisconnect) -> Response:
        # Nobody reads this. But it is no defect of ours, to be logged as one.
        return problem(HTTPStatus.BAD_REQUEST, "the body was not sent to its end")
