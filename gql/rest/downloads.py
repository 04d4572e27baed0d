"""Downloads: a finished job's primes as a file, whole or in part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from gql.http.byte_range import RangeNotSatisfiableError, requested_range
from gql.http.compression import SUPPORTED_ENCODINGS, compress
from gql.http.negotiation import preferred_encoding
from gql.http.problem_details import ANY_OTHER, documented
from gql.middleware.authentication import caller_of
from tasks.errors import JobNotFound
from tasks.exports.formats import ExportFormat
from tasks.jobs import ResultState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tasks.exports.formats import ExportFile
    from tasks.jobs import Job
    from tasks.service import JobService


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What a client asks for by headers: not what it has, a part only, compressed."""

    if_none_match: str
    part: str | None
    if_range: str | None
    accept_encoding: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent of a file: the bytes from `start` to before `stop`."""

    file: ExportFile
    status: HTTPStatus
    headers: dict[str, str]
    start: int
    stop: int

    async def with_content(self, content_type: str) -> Response:
        """The answer to GET."""
        pieces = await _begun(self.file.content(self.start, self.stop))
        if (coding := self.headers.get("Content-Encoding")) is not None:
            pieces = compress(pieces, coding)
        return StreamingResponse(pieces, self.status, self.headers, content_type)

    def without_content(self, content_type: str) -> Response:
        """The answer to HEAD: the same, and nothing is read for it."""
        response = Response(None, self.status, self.headers, content_type)
        if "Content-Length" not in self.headers:
            del response.headers["Content-Length"]
        return response


def wishes(
    if_none_match: Annotated[str, Header(description="The ETag of an earlier answer")] = "",
    range_: Annotated[str | None, Header(alias="Range", description="One part in bytes, e.g. bytes=1000-")] = None,
    if_range: Annotated[str | None, Header(description="The ETag of the file that the part is of")] = None,
    accept_encoding: Annotated[str | None, Header(description="zstd or gzip: text is compressed on the way")] = None,
) -> DownloadRequest:
    """Those of a request."""
    return DownloadRequest(if_none_match, range_, if_range, accept_encoding)


def create_router(service: JobService) -> APIRouter:
    """The one door, for each format."""
    doors = APIRouter(tags=["primes"])

    @doors.get(
        "/jobs/{job_id}/primes.{form}",
        summary="Download the primes of a finished job",
        response_class=StreamingResponse,
        responses=_file()
        | {304: {"description": "Nothing new since the file in If-None-Match"}}
        | documented(HTTPStatus.NOT_FOUND, "No such job, or no such format")
        | documented(HTTPStatus.CONFLICT, "The job has not succeeded")
        | documented(HTTPStatus.GONE, "The primes have expired")
        | documented(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, "The part lies beyond the end of the file")
        | ANY_OTHER,
    )
    async def primes(
        request: Request,
        job_id: str,
        form: Annotated[str, Path(json_schema_extra={"enum": list(ExportFormat)})],
        wished: Annotated[DownloadRequest, Depends(wishes)],
    ) -> Response:
        if form not in list(ExportFormat):
            raise HTTPException(HTTPStatus.NOT_FOUND, "there are primes.parquet, primes.csv and primes.ndjson")
        chosen = ExportFormat(form)
        mine = service.for_caller(caller_of(request))
        job = _complete(await mine.get_job(job_id), job_id)
        # RFC 9110, 14.2: parts are for GET alone.
        if request.method == "HEAD":
            wished = replace(wished, part=None)
        # Parts are parts of the file as it is.
        coding = (
            preferred_encoding(wished.accept_encoding or "", SUPPORTED_ENCODINGS)
            if chosen.is_text and wished.part is None
            else None
        )
        headers = _headers(job, chosen, coding)
        if headers["ETag"] in wished.if_none_match or wished.if_none_match.strip() == "*":
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        file = await _export(mine, job, chosen)
        answer = _answer(file, wished, headers)
        if request.method == "HEAD":
            return answer.without_content(chosen.content_type)
        mine.record_served(job.count * (answer.stop - answer.start) // file.size, "download")
        return await answer.with_content(chosen.content_type)

    # The manual tells of GET alone: it would list HEAD as an operation of its own.
    doors.add_api_route("/jobs/{job_id}/primes.{form}", primes, methods=["HEAD"], include_in_schema=False)
    return doors


def _complete(job: Job | None, job_id: str) -> Job:
    """The job, if there are files of it."""
    if job is None:
        raise JobNotFound(job_id)
    if job.result_state is ResultState.EXPIRED:
        raise _gone(job)
    if job.result_state is not ResultState.COMPLETE:
        raise HTTPException(HTTPStatus.CONFLICT, f"job {job.id} is {job.status}: a SUCCEEDED one can be downloaded")
    return job


async def _export(service: JobService, job: Job, form: ExportFormat) -> ExportFile:
    file = await service.export_result(job, form)
    if file is None:
        raise _gone(job)
    return file


def _gone(job: Job) -> HTTPException:
    return HTTPException(HTTPStatus.GONE, f"the primes of {job.id} have expired: submit the request again")


def _headers(job: Job, chosen: ExportFormat, coding: str | None) -> dict[str, str]:
    # The primes are known by their checksum, and so is the file that is made of them.
    headers = {
        "ETag": f'"{job.sha256}.{chosen}"' if coding is None else f'"{job.sha256}.{chosen}.{coding}"',
        "Cache-Control": "private, max-age=31536000, immutable",
        "Content-Disposition": f'attachment; filename="primes-{job.id}.{chosen}"',
    }
    if chosen.is_text:
        headers["Vary"] = "Accept-Encoding"
    if coding is not None:
        headers["Content-Encoding"] = coding
    return headers


def _answer(file: ExportFile, wished: DownloadRequest, headers: dict[str, str]) -> Answer:
    """The file, or the part of it that is wished for."""
    if "Content-Encoding" in headers:
        return Answer(file, HTTPStatus.OK, headers, 0, file.size)
    part = None
    # A part of another file than the client has the beginning of would be of no use to it.
    if wished.if_range in {None, headers["ETag"]}:
        try:
            part = requested_range(wished.part, file.size)
        except RangeNotSatisfiableError as error:
            told = {"Content-Range": f"bytes */{file.size}"}
            refusal = f"the file has {file.size} bytes"
            raise HTTPException(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, refusal, told) from error
    start, stop = part or (0, file.size)
    headers |= {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    if part is None:
        return Answer(file, HTTPStatus.OK, headers, start, stop)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return Answer(file, HTTPStatus.PARTIAL_CONTENT, headers, start, stop)


async def _begun(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same pieces, of which the first one is there: past this, a failure can only cut the connection."""
    first = await anext(pieces)

    async def all_of_them() -> AsyncIterator[bytes]:
        yield first
        async for piece in pieces:
            yield piece

    return all_of_them()


def _file() -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string", "format": "binary"}
    content = {form.content_type: {"schema": schema} for form in ExportFormat}
    return {
        200: {"description": "The file: one column, `prime`", "content": content},
        206: {"description": "The part of it that Range asks for", "content": content},
    }
