"""POST /generate and GET /status/{request_id}: the earlier API, compatible with its clients.

Idempotency keys, conditional requests and `Prefer: wait` are additions that clients may use. The endpoints call the
same service as the GraphQL resolvers.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import APIRouter, Depends, Request, Response

from gql.http.addresses import path_prefix
from gql.http.fields import combined, elements
from gql.http.json_text import parse_json
from gql.http.preconditions import conditional_response, weak_tags
from gql.http.problem_details import problem
from gql.middleware.authentication import caller_of
from gql.rest import openapi
from gql.rest.direct_route import DirectRoute
from tasks.errors import FieldIssue, InvalidRequest, JobNotFound
from tasks.exports.formats import ExportFormat
from tasks.jobs import SMALL_JOB_PRIMES, JobStatus, ResultState
from tasks.requests import PrimesRequest

if TYPE_CHECKING:
    from gql.settings import ApiSettings
    from tasks.jobs import Job
    from tasks.service import JobService, JobSystem

# Enough for {"n": 100000000} with much white space.
_MAX_BODY_BYTES = 4_096
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}")
_DIGITS = re.compile(r"[0-9]+")
# Digits in a number of seconds. More digits are longer than any wait.
_MAX_DIGITS = 9
_POLL_AFTER_SECONDS = "1"

# Primes that /status lists in JSON. For longer results it has the addresses of their files.
MAX_LISTED_PRIMES = 2**20

# Characters of an invalid value that an error message repeats.
_MAX_VALUE_CHARACTERS = 40

# Names of the service's arguments in this API.
_REST_NAMES = {"count": "n", "idempotencyKey": "Idempotency-Key"}

_REST_STATUSES = {
    JobStatus.QUEUED: "pending",
    JobStatus.RUNNING: "pending",
    JobStatus.SUCCEEDED: "complete",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


def create_router(system: JobSystem, settings: ApiSettings) -> APIRouter:
    """The routes of both endpoints."""
    router = APIRouter(tags=["primes"], route_class=DirectRoute)

    @router.post(
        "/generate",
        summary="Submit a request for the first n primes",
        responses=openapi.generate_responses(),
        dependencies=[Depends(openapi.generate_parameters)],
        openapi_extra=openapi.generate_request(system.settings.max_count),
    )
    async def generate(request: Request) -> Response:
        idempotency_key = combined(request.headers, "idempotency-key")
        primes_request = PrimesRequest(count=await _read_n(request), idempotency_key=idempotency_key)
        try:
            submission = await system.for_caller(caller_of(request)).submit_job(primes_request)
        except InvalidRequest as error:
            raise _with_rest_names(error) from None
        location = f"{path_prefix(request.scope)}/status/{submission.job.id}"
        return Response(
            orjson.dumps({"request_id": submission.job.id}),
            headers={"Location": location},
            media_type="application/json",
        )

    @router.get(
        "/status/{request_id}",  # noqa: FAST003 - a DirectRoute passes the request alone
        summary="Get the status of a request and, when it is complete, its primes",
        responses=openapi.status_responses(MAX_LISTED_PRIMES),
        dependencies=[Depends(openapi.status_parameters)],
    )
    async def status(request: Request) -> Response:
        request_id = request.path_params["request_id"]
        known_versions = _versions(request)
        wait = _preferred_wait(request, settings)
        service = system.for_caller(caller_of(request))
        job = await service.get_job(request_id, wait or timedelta(0), max(known_versions, default=None))
        if job is None:
            raise JobNotFound(request_id)
        headers = {"ETag": f'"{job.version}"', "Cache-Control": "no-cache", "Vary": "Prefer"}
        if wait is not None:
            headers["Preference-Applied"] = f"wait={wait.seconds}"
        if not job.status.is_final:
            headers["Retry-After"] = _POLL_AFTER_SECONDS
        if job.result_state is ResultState.EXPIRED:
            return problem(HTTPStatus.GONE, f"the primes of job {job.id} have expired: submit the request again")
        if (conditional := conditional_response(request.headers, headers)) is not None:
            return conditional
        body = await _status_body(service, job, path_prefix(request.scope))
        return Response(body, headers=headers, media_type="application/json")

    return router


async def _status_body(service: JobService, job: Job, prefix: str) -> bytes:
    body: dict[str, Any] = {"status": _REST_STATUSES[job.status], "result": None}
    if job.failure is not None:
        body["error"] = {"reason": job.failure.reason.value, "message": job.failure.message}
    if job.status is JobStatus.SUCCEEDED and job.count > MAX_LISTED_PRIMES:
        # Most clients cannot parse a JSON list of ten million numbers.
        body["downloads"] = {form.value: f"{prefix}/jobs/{job.id}/primes.{form}" for form in ExportFormat}
    elif job.status is JobStatus.SUCCEEDED:
        body["result"] = await service.read_primes(job, 0, job.count)
        service.record_primes_served(len(body["result"]), "rest")
    if job.count <= SMALL_JOB_PRIMES:
        return orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    # In a thread: serialising a million numbers takes milliseconds and would block the event loop.
    return await asyncio.to_thread(orjson.dumps, body, option=orjson.OPT_SERIALIZE_NUMPY)


async def _read_n(request: Request) -> int:
    """The number of primes: `n` from the query string, from a JSON body, or the same value in both.

    Raises:
        InvalidRequest: n is missing, is not an integer, or has different values.
    """
    values = {_from_text(text) for text in request.query_params.getlist("n")}
    document = await _read_body(request)
    if "n" in document:
        values.add(_from_json(document["n"]))
    if not values:
        raise _invalid_n('n is missing: send ?n=10 or {"n": 10}')
    if len(values) > 1:
        raise _invalid_n(f"n has {len(values)} different values, must have one")
    return values.pop()


async def _read_body(request: Request) -> dict[str, object]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY_BYTES:
            raise _invalid_n(f"the body is larger than {_MAX_BODY_BYTES} bytes")
    if not body.strip():
        return {}
    try:
        document = parse_json(body)
    except orjson.JSONDecodeError:
        raise _invalid_n('the body is not valid JSON: send {"n": 10} or ?n=10') from None
    if not isinstance(document, dict):
        raise _invalid_n('the body is not a JSON object: send {"n": 10}')
    return document


def _from_text(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise _not_an_integer(text)
    return int(text)


def _from_json(value: object) -> int:
    # JSON does not distinguish 10.0 from 10.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _not_an_integer(value)


def _not_an_integer(value: object) -> InvalidRequest:
    text = str(orjson.dumps(value), "utf-8")[:_MAX_VALUE_CHARACTERS]
    return _invalid_n(f"n is {text}, must be an integer")


def _invalid_n(message: str) -> InvalidRequest:
    return InvalidRequest([FieldIssue(("n",), message)])


def _with_rest_names(error: InvalidRequest) -> InvalidRequest:
    """The same error, with the argument names of this API."""
    renamed = [(_REST_NAMES[issue.path[0]], issue) for issue in error.issues]
    return InvalidRequest(
        [
            replace(issue, path=(name,), message=f"{name}{issue.message.removeprefix(issue.path[0])}")
            for name, issue in renamed
        ]
    )


def _versions(request: Request) -> list[int]:
    """The versions of the job that the client knows."""
    tags = [tag.strip('"') for tag in weak_tags(combined(request.headers, "if-none-match"))]
    return [int(tag) for tag in tags if _DIGITS.fullmatch(tag) and len(tag) <= _MAX_DIGITS]


def _preferred_wait(request: Request, settings: ApiSettings) -> timedelta | None:
    # RFC 7240: the first of several preferences with one name counts.
    waits = [element.value for element in elements(combined(request.headers, "prefer")) if element.name == "wait"]
    if not waits or not _DIGITS.fullmatch(waits[0]):
        return None
    seconds = int(waits[0][:_MAX_DIGITS])
    return min(timedelta(seconds=seconds), timedelta(milliseconds=settings.max_wait_ms))
