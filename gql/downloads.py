"""Downloads: a finished job's primes as a file."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Header, Response
from starlette.responses import StreamingResponse

from gql.problems import ANY_OTHER, documented, problem
from tasks.errors import JobNotFound
from tasks.exports import ExportFormat, export
from tasks.jobs import ResultState

if TYPE_CHECKING:
    from tasks.service import JobService


def router(service: JobService) -> APIRouter:
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
        | ANY_OTHER,
    )
    async def primes(
        job_id: str,
        form: str,
        if_none_match: Annotated[str | None, Header(description="The ETag of an earlier answer")] = None,
    ) -> Response:
        if form not in list(ExportFormat):
            return problem(HTTPStatus.NOT_FOUND, "there are primes.parquet, primes.csv and primes.ndjson")
        job = await service.job(job_id)
        if job is None:
            raise JobNotFound(job_id)
        if job.result_state is ResultState.EXPIRED:
            return problem(HTTPStatus.GONE, f"the primes of {job.id} have expired: submit the request again")
        if job.result_state is not ResultState.COMPLETE:
            return problem(HTTPStatus.CONFLICT, f"job {job.id} is {job.status}: a SUCCEEDED one can be downloaded")
        chosen = ExportFormat(form)
        headers = {
            # The primes are known by their checksum, and so is the file that is made of them.
            "ETag": f'"{job.sha256}.{chosen}"',
            "Cache-Control": "private, max-age=31536000, immutable",
            "Content-Disposition": f'attachment; filename="primes-{job.id}.{chosen}"',
        }
        if if_none_match is not None and headers["ETag"] in if_none_match:
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        found = await service.primes(job, 0, job.count)
        return StreamingResponse(export(found, chosen), headers=headers, media_type=chosen.content_type)

    return doors


def _file() -> dict[int | str, dict[str, Any]]:
    schema = {"type": "string", "format": "binary"}
    content = {form.content_type: {"schema": schema} for form in ExportFormat}
    return {200: {"description": "The file: one column, `prime`", "content": content}}
