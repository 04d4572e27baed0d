"""GET /jobs/{job_id}/primes.{form}: the primes of a finished job as a file, with ranges and compression."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse

from gql.http.byte_range import RangeNotSatisfiableError, requested_range
from gql.http.compression import SUPPORTED_ENCODINGS, compress
from gql.http.fields import combined
from gql.http.negotiation import preferred_encoding
from gql.http.preconditions import conditional_response
from gql.middleware.authentication import caller_of
from gql.middleware.head import is_head
from gql.rest import openapi
from tasks.errors import JobNotFound
from tasks.exports.formats import ExportFormat
from tasks.jobs import ResultState

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.datastructures import Headers

    from tasks.exports.formats import ExportFile
    from tasks.jobs import Job
    from tasks.service import JobService, JobSystem


@dataclass(frozen=True, slots=True)
class DownloadResponse:
    """A response before its content is read: the bytes of the file from `start` to before `stop`."""

    file: ExportFile
    status: HTTPStatus
    headers: dict[str, str]
    start: int
    stop: int

    async def with_content(self, content_type: str) -> Response:
        """The response to GET."""
        chunks = await _after_first_chunk(self.file.content(self.start, self.stop))
        if (encoding := self.headers.get("Content-Encoding")) is not None:
            chunks = compress(chunks, encoding)
        return StreamingResponse(chunks, self.status, self.headers, content_type)

    def without_content(self, content_type: str) -> Response:
        """The response to HEAD: the same headers, and no content is read."""
        response = Response(None, self.status, self.headers, content_type)
        if "Content-Length" not in self.headers:
            del response.headers["Content-Length"]
        return response


def create_router(system: JobSystem) -> APIRouter:
    """The route for all file formats."""
    router = APIRouter(tags=["primes"])

    @router.get(
        "/jobs/{job_id}/primes.{form}",
        summary="Download the primes of a finished job",
        response_class=StreamingResponse,
        responses=openapi.download_responses(),
        dependencies=[Depends(openapi.download_parameters)],
    )
    async def primes(
        request: Request,
        job_id: str,
        form: Annotated[str, Path(json_schema_extra={"enum": list(ExportFormat)})],
    ) -> Response:
        if form not in list(ExportFormat):
            raise HTTPException(
                HTTPStatus.NOT_FOUND, "unknown format: download primes.parquet, primes.csv or primes.ndjson"
            )
        export_format = ExportFormat(form)
        service = system.for_caller(caller_of(request))
        job = _complete(await service.get_job(job_id), job_id)
        encoding = None
        if export_format.is_text and "range" not in request.headers:
            # Ranges are sent uncompressed: they count bytes of the original file.
            encoding = preferred_encoding(combined(request.headers, "accept-encoding") or "", SUPPORTED_ENCODINGS)
        headers = _headers(job, export_format, encoding)
        if (conditional := conditional_response(request.headers, headers)) is not None:
            return conditional
        file = await _export(service, job, export_format)
        response = _response(file, request.headers, headers)
        if is_head(request):
            return response.without_content(export_format.content_type)
        service.record_primes_served(job.count * (response.stop - response.start) // file.size, "download")
        return await response.with_content(export_format.content_type)

    return router


def _complete(job: Job | None, job_id: str) -> Job:
    """The job, if it has a complete result."""
    if job is None:
        raise JobNotFound(job_id)
    if job.result_state is ResultState.EXPIRED:
        raise _expired(job)
    if job.result_state is not ResultState.COMPLETE:
        raise HTTPException(HTTPStatus.CONFLICT, f"job {job.id} is {job.status}, must be SUCCEEDED for a download")
    return job


async def _export(service: JobService, job: Job, form: ExportFormat) -> ExportFile:
    file = await service.export_result(job, form)
    if file is None:
        raise _expired(job)
    return file


def _expired(job: Job) -> HTTPException:
    return HTTPException(HTTPStatus.GONE, f"the primes of job {job.id} have expired: submit the request again")


def _headers(job: Job, form: ExportFormat, encoding: str | None) -> dict[str, str]:
    # The result of a job never changes, and each export of it always has the same bytes.
    headers = {
        "ETag": f'"{job.id}.{form}"' if encoding is None else f'"{job.id}.{form}.{encoding}"',
        "Cache-Control": "private, max-age=31536000, immutable, no-transform",
        "X-Accel-Buffering": "no",
        "Content-Disposition": f'attachment; filename="primes-{job.id}.{form}"',
    }
    if form.is_text:
        headers["Vary"] = "Accept-Encoding"
    if encoding is not None:
        headers["Content-Encoding"] = encoding
    return headers


def _response(file: ExportFile, request: Headers, headers: dict[str, str]) -> DownloadResponse:
    """The whole file or the requested range of it."""
    if "Content-Encoding" in headers:
        return DownloadResponse(file, HTTPStatus.OK, headers, 0, file.size)
    byte_range = None
    # If-Range: a range of another file cannot continue the part that the client has.
    if combined(request, "if-range") in {None, headers["ETag"]}:
        try:
            byte_range = requested_range(combined(request, "range"), file.size)
        except RangeNotSatisfiableError as error:
            raise HTTPException(
                HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
                f"the range starts beyond the end of the file, which has {file.size} bytes",
                {"Content-Range": f"bytes */{file.size}"},
            ) from error
    start, stop = byte_range or (0, file.size)
    headers |= {"Content-Length": str(stop - start), "Accept-Ranges": "bytes"}
    if byte_range is None:
        return DownloadResponse(file, HTTPStatus.OK, headers, start, stop)
    headers["Content-Range"] = f"bytes {start}-{stop - 1}/{file.size}"
    return DownloadResponse(file, HTTPStatus.PARTIAL_CONTENT, headers, start, stop)


async def _after_first_chunk(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Read the first chunk ahead: until then a failure gets an error status, later it can only cut the connection."""
    first = await anext(chunks)

    async def all_chunks() -> AsyncIterator[bytes]:
        yield first
        async for chunk in chunks:
            yield chunk

    return all_chunks()
