"""The earlier API's two doors, for its own clients unchanged, and what a careful client may use beyond it.

A shim calls the same service as the GraphQL resolvers; neither calls the other.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

import orjson
from fastapi import APIRouter, Header, Request, Response

from gql.http.problem_details import ANY_OTHER, documented, problem
from gql.middleware.authentication import caller_of
from tasks.errors import FieldIssue, InvalidRequest, JobNotFound
from tasks.exports.formats import ExportFormat
from tasks.jobs import JobStatus, ResultState
from tasks.requests import PrimesRequest

if TYPE_CHECKING:
    from gql.settings import ApiSettings
    from tasks.jobs import Job
    from tasks.service import JobService

DESCRIPTION = """\
Submit long work, follow it, fetch its results. These are the REST doors, for scripts and clients of the earlier API;
everything else is in GraphQL at [/graphql](/graphql).
"""

# {"n": 100000000} with a lot of white space; more is not a request for primes.
_LARGEST_BODY_BYTES = 4_096
_DECIMAL = re.compile(r"[+-]?[0-9]{1,20}")
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,9})\"?", re.IGNORECASE)
_POLL_AFTER_SECONDS = "1"

# Of longer results /status names the files instead of listing the primes.
LARGEST_LIST = 2**20
_SHOWN_CHARACTERS = 40

# What the service calls its arguments, and what the callers of these doors call them.
_NAMES = {"count": "n", "idempotencyKey": "Idempotency-Key"}

_WORDS = {
    JobStatus.QUEUED: "pending",
    JobStatus.RUNNING: "pending",
    JobStatus.SUCCEEDED: "complete",
    JobStatus.FAILED: "failed",
    JobStatus.CANCELLED: "cancelled",
}


def create_router(service: JobService, settings: ApiSettings) -> APIRouter:
    """The two doors."""
    doors = APIRouter(tags=["primes"])

    @doors.post(
        "/generate",
        summary="Submit: generate the first n primes",
        responses=_accepted()
        | documented(HTTPStatus.BAD_REQUEST, "n is missing, not a whole number, or out of bounds")
        | documented(HTTPStatus.CONFLICT, "The Idempotency-Key was used for another n")
        | documented(HTTPStatus.TOO_MANY_REQUESTS, "This caller's share is used up; Retry-After says for how long")
        | documented(HTTPStatus.SERVICE_UNAVAILABLE, "The queue is full, or the job store does not answer")
        | ANY_OTHER,
        openapi_extra=_generate_request(service.settings.max_count),
    )
    async def generate(
        request: Request,
        idempotency_key: Annotated[
            str | None, Header(description="1-128 visible ASCII characters: the same key gives the same job")
        ] = None,
    ) -> Response:
        asked = PrimesRequest(count=await _read_n(request), idempotency_key=idempotency_key)
        try:
            submission = await service.for_caller(caller_of(request)).submit_job(asked)
        except InvalidRequest as error:
            raise _in_our_words(error) from None
        location = request.url_for("status", request_id=submission.job.id).path
        return Response(
            orjson.dumps({"request_id": submission.job.id}),
            headers={"Location": location},
            media_type="application/json",
        )

    @doors.get(
        "/status/{request_id}",
        summary="Follow and fetch: the state of a request and, once complete, its primes",
        responses=_status()
        | {304: {"description": "Nothing new since the version in If-None-Match"}}
        | documented(HTTPStatus.NOT_FOUND, "No such request: it never existed or has expired")
        | documented(HTTPStatus.GONE, "The primes have expired; the request is still known")
        | documented(HTTPStatus.SERVICE_UNAVAILABLE, "The job store does not answer")
        | ANY_OTHER,
    )
    async def status(
        request: Request,
        request_id: str,
        prefer: Annotated[str | None, Header(description="`wait=n`: answer with news, or after n seconds")] = None,
        if_none_match: Annotated[str | None, Header(description="The ETag of an earlier answer")] = None,
    ) -> Response:
        known = _versions(if_none_match)
        wait = _preferred_wait(prefer, settings)
        mine = service.for_caller(caller_of(request))
        job = await mine.get_job(request_id, wait or timedelta(0), max(known, default=None))
        if job is None:
            raise JobNotFound(request_id)
        headers = {"ETag": f'"{job.version}"', "Cache-Control": "no-cache", "Vary": "Prefer"}
        if wait is not None:
            headers["Preference-Applied"] = f"wait={wait.seconds}"
        if not job.status.is_final:
            headers["Retry-After"] = _POLL_AFTER_SECONDS
        if job.result_state is ResultState.EXPIRED:
            return problem(HTTPStatus.GONE, f"the primes of {job.id} have expired: submit the request again")
        if job.version in known or (if_none_match is not None and if_none_match.strip() == "*"):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        return Response(await _status_body(mine, job), headers=headers, media_type="application/json")

    # The manual tells of GET alone: it would list HEAD as an operation of its own.
    doors.add_api_route("/status/{request_id}", status, methods=["HEAD"], include_in_schema=False)
    return doors


async def _status_body(service: JobService, job: Job) -> bytes:
    body: dict[str, Any] = {"status": _WORDS[job.status], "result": None}
    if job.failure is not None:
        body["error"] = {"reason": job.failure.reason.value, "message": job.failure.message}
    if job.status is JobStatus.SUCCEEDED and job.count > LARGEST_LIST:
        # A list of ten million numbers is the end of most clients that read it.
        body["downloads"] = {form.value: f"/jobs/{job.id}/primes.{form}" for form in ExportFormat}
    elif job.status is JobStatus.SUCCEEDED:
        body["result"] = await service.read_primes(job, 0, job.count)
        service.record_served(len(body["result"]), "rest")
    # A million numbers take milliseconds to write out, in which other requests go on.
    return await asyncio.to_thread(orjson.dumps, body, option=orjson.OPT_SERIALIZE_NUMPY)


async def _read_n(request: Request) -> int:
    """How many primes the caller wants: `n` of the query string, of a JSON body, or the same in both.

    Raises:
        InvalidRequest: it is missing, not a whole number, or given with different values.
    """
    given = {_from_text(text) for text in request.query_params.getlist("n")}
    document = await _read_body(request)
    if "n" in document:
        given.add(_from_json(document["n"]))
    if len(given) != 1:
        raise _n_is("n is missing: send /generate?n=10" if not given else "n is given with different values")
    return given.pop()


async def _read_body(request: Request) -> dict[str, object]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LARGEST_BODY_BYTES:
            raise _n_is(f"the body is larger than {_LARGEST_BODY_BYTES} bytes")
    if not body.strip():
        return {}
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _n_is('the body is not JSON: send {"n": 10} or /generate?n=10') from None
    if not isinstance(document, dict):
        raise _n_is('the body is not an object: send {"n": 10}')
    return document


def _from_text(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        raise _not_whole(text)
    return int(text)


def _from_json(value: object) -> int:
    # JSON does not tell 10.0 from 10.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise _not_whole(value)


def _not_whole(value: object) -> InvalidRequest:
    shown = str(orjson.dumps(value), "utf-8")[:_SHOWN_CHARACTERS]
    return _n_is(f"n is {shown}, must be a whole number")


def _n_is(message: str) -> InvalidRequest:
    return InvalidRequest([FieldIssue(("n",), message)])


def _in_our_words(error: InvalidRequest) -> InvalidRequest:
    """The same, with the names that this door's callers know."""
    renamed = [(_NAMES[issue.path[0]], issue) for issue in error.issues]
    return InvalidRequest(
        [
            replace(issue, path=(name,), message=f"{name}{issue.message.removeprefix(issue.path[0])}")
            for name, issue in renamed
        ]
    )


def _versions(if_none_match: str | None) -> frozenset[int]:
    return frozenset(int(version) for version in re.findall(r'"([0-9]{1,9})"', if_none_match or ""))


def _preferred_wait(prefer: str | None, settings: ApiSettings) -> timedelta | None:
    if prefer is None or (found := _WAIT.search(prefer)) is None:
        return None
    return min(timedelta(seconds=int(found[1])), timedelta(milliseconds=settings.max_wait_ms))


def _accepted() -> dict[int | str, dict[str, Any]]:
    schema = {
        "type": "object",
        "required": ["request_id"],
        "properties": {"request_id": {"type": "string", "format": "uuid"}},
    }
    example = {"request_id": "01945b7e-1c2d-7abc-8def-0123456789ab"}
    return {200: {"description": "Accepted", "content": {"application/json": {"schema": schema, "example": example}}}}


def _status() -> dict[int | str, dict[str, Any]]:
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
    content = {"application/json": {"schema": schema, "examples": examples}}
    told = f"The state; `result` is null until complete, and beyond {LARGEST_LIST} primes, which `downloads` has"
    return {200: {"description": told, "content": content}}


def _generate_request(max_count: int) -> dict[str, Any]:
    bounds = {"type": "integer", "minimum": 1, "maximum": max_count}
    body = {"type": "object", "required": ["n"], "properties": {"n": {**bounds, "examples": [10]}}}
    return {
        "parameters": [
            {
                "name": "n",
                "in": "query",
                "required": False,
                "description": "How many primes; here or in the body",
                "schema": bounds,
                "example": 10,
            }
        ],
        "requestBody": {
            "required": False,
            "content": {"application/json": {"schema": body, "example": {"n": 10}}},
        },
    }
