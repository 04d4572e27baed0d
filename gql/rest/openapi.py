"""The OpenAPI document of the REST endpoints: descriptions, schemas and examples. Has no effect on requests.

If-Match is not listed: programs that generate requests from the document take a 412 for the refusal of a valid one.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, TypeAlias

from fastapi import Header

from gql.http import problem_details
from tasks.exports.formats import ExportFormat

Responses: TypeAlias = dict[int | str, dict[str, Any]]

DESCRIPTION = """\
Submit long-running jobs, follow their status and fetch their results. These REST endpoints are for scripts and for
clients of the earlier API. GraphQL at [/graphql](graphql) has everything else.
"""

_PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "examples": ["about:blank"]},
        "title": {"type": "string", "examples": ["Bad Request"]},
        "status": {"type": "integer", "examples": [400]},
        "detail": {"type": "string", "examples": ["n is 0, must be 1 to 100000000"]},
    },
}

_UUID = "01945b7e-1c2d-7abc-8def-0123456789ab"


def generate_parameters(
    idempotency_key: Annotated[
        str | None, Header(description="1-128 visible ASCII characters; the same key returns the same request")
    ] = None,
) -> None:
    """Headers of POST /generate."""


def status_parameters(
    request_id: str,
    prefer: Annotated[
        str | None,
        Header(
            description="`wait=n`: wait up to n seconds for the final status or, with If-None-Match, for any change"
        ),
    ] = None,
    if_none_match: Annotated[str | None, Header(description="ETag of an earlier response")] = None,
) -> None:
    """Path and headers of GET /status/{request_id}."""


def download_parameters(
    if_none_match: Annotated[str | None, Header(description="ETag of an earlier response")] = None,
    range_: Annotated[str | None, Header(alias="Range", description="One byte range, e.g. bytes=1000-")] = None,
    if_range: Annotated[str | None, Header(description="ETag of the file that the range belongs to")] = None,
    accept_encoding: Annotated[str | None, Header(description="zstd or gzip compress CSV and NDJSON")] = None,
) -> None:
    """Headers of GET /jobs/{job_id}/primes.{form}."""


def generate_request(max_count: int) -> dict[str, Any]:
    """Parameters and body of POST /generate, which the endpoint reads itself: n is allowed in both."""
    bounds = {"type": "integer", "minimum": 1, "maximum": max_count}
    body = {"type": "object", "required": ["n"], "properties": {"n": {**bounds, "examples": [10]}}}
    return {
        "parameters": [
            {
                "name": "n",
                "in": "query",
                "required": False,
                "description": "Number of primes; in the query string or in the body",
                "schema": bounds,
                "example": 10,
            }
        ],
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": body, "example": {"n": 10}}},
        },
    }


def generate_responses() -> Responses:
    """Responses of POST /generate."""
    schema = {
        "type": "object",
        "required": ["request_id"],
        "properties": {"request_id": {"type": "string", "format": "uuid"}},
    }
    content = {"application/json": {"schema": schema, "example": {"request_id": _UUID}}}
    return _with_problems(
        {200: {"description": "Accepted", "content": content}},
        {
            HTTPStatus.BAD_REQUEST: "n is missing, not an integer, or out of bounds",
            HTTPStatus.CONFLICT: "The Idempotency-Key was used with another n",
            HTTPStatus.TOO_MANY_REQUESTS: "A limit of this caller is exceeded; Retry-After has the seconds to wait",
            HTTPStatus.SERVICE_UNAVAILABLE: "The queue is full, or the job store is unavailable",
        },
    )


def status_responses(max_listed_primes: int) -> Responses:
    """Responses of GET /status/{request_id}."""
    schema = {
        "type": "object",
        "required": ["status", "result"],
        "properties": {
            "status": {"type": "string", "enum": ["pending", "complete", "failed", "cancelled"]},
            "result": {"type": ["array", "null"], "items": {"type": "integer"}},
            "downloads": {"type": "object", "additionalProperties": {"type": "string"}},
            "error": {
                "type": "object",
                "properties": {"reason": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    }
    examples = {
        "pending": {"value": {"status": "pending", "result": None}},
        "complete": {"value": {"status": "complete", "result": [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]}},
        "failed": {
            "value": {
                "status": "failed",
                "result": None,
                "error": {"reason": "WORKER_LOST", "message": "segment 0 lost its worker in 3 of 3 attempts"},
            }
        },
    }
    description = (
        "The status. `result` is null until the request is complete, and for more than "
        f"{max_listed_primes} primes: `downloads` has their files."
    )
    content = {"application/json": {"schema": schema, "examples": examples}}
    return _with_problems(
        {
            200: {"description": description, "content": content},
            304: {"description": "Not modified since the version in If-None-Match"},
        },
        {
            HTTPStatus.PRECONDITION_FAILED: "The version is not in If-Match",
            HTTPStatus.NOT_FOUND: "Unknown request: it never existed or has expired",
            HTTPStatus.GONE: "The primes have expired; the request is still known",
            HTTPStatus.SERVICE_UNAVAILABLE: "The job store is unavailable",
        },
    )


def download_responses() -> Responses:
    """Responses of GET /jobs/{job_id}/primes.{form}."""
    schema = {"type": "string", "format": "binary"}
    content = {form.content_type: {"schema": schema} for form in ExportFormat}
    return _with_problems(
        {
            200: {"description": "The file with one column, `prime`", "content": content},
            206: {"description": "The requested range of the file", "content": content},
            304: {"description": "Not modified since the file in If-None-Match"},
        },
        {
            HTTPStatus.PRECONDITION_FAILED: "The file is not in If-Match",
            HTTPStatus.NOT_FOUND: "Unknown job or format",
            HTTPStatus.CONFLICT: "The job has not succeeded",
            HTTPStatus.GONE: "The primes have expired",
            HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The range starts beyond the end of the file",
        },
    )


def _with_problems(responses: Responses, problems: dict[HTTPStatus, str]) -> Responses:
    content = {problem_details.MEDIA_TYPE: {"schema": _PROBLEM_SCHEMA}}
    for status, description in problems.items():
        responses[status.value] = {"description": description, "content": content}
    # Without a default, FastAPI adds a 422 response in FastAPI's format, which is never sent.
    responses["default"] = {"description": "Any other error", "content": content}
    return responses
