"""Submits, follows and cancels a job."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import httpx
from httpx_sse import connect_sse
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from gql.client.errors import ClientError, ServerUnavailableError
from gql.client.responses import check_status, data_of, execute
from gql.client.retries import renew, retrying
from gql.client.streams import progress_bar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

SUBMIT = """
mutation Submit($input: GeneratePrimesInput!) {
  generatePrimes(input: $input) {
    ... on GeneratePrimesAccepted { job { id } }
    ... on UserError { message retryable }
    ... on QueueFull { retryAfterMs }
    ... on RateLimited { retryAfterMs }
    ... on BackendUnavailable { retryAfterMs }
  }
}
"""
FOLLOW = """
subscription Follow($id: ID!, $after: Int) {
  jobUpdates(id: $id, afterVersion: $after) {
    ... on JobUpdate {
      job { version status isFinal progress { done } failure { message } result { first last sha256 } }
    }
    ... on UserError { message retryable }
  }
}
"""
CANCEL = "mutation Cancel($id: ID!) { cancelJob(id: $id) { __typename } }"


def new_request(count: int, start: int) -> dict[str, Any]:
    """The input of a submission. Each submission of it, with its idempotency key, returns the same job."""
    return {"count": count, "start": start, "idempotencyKey": str(uuid.uuid4())}


def submit(client: httpx.Client, request: dict[str, Any]) -> str:
    """Submit a job and return its id."""
    # If the response to a submission is lost, the next attempt with the same key returns the job that exists.
    url = str(client.base_url).rstrip("/")
    try:
        return retrying()(_submit_once, client, request)
    except httpx.UnsupportedProtocol as error:
        raise ClientError(f"--url is {url}, must begin with http:// or https://") from error
    except (httpx.TransportError, ServerUnavailableError) as error:
        reason = str(error) or type(error).__name__
        raise ClientError(
            f"{url} did not accept the job ({reason}). Check that the server is running and ready."
        ) from error


def _submit_once(client: httpx.Client, request: dict[str, Any]) -> str:
    answer = execute(client, SUBMIT, input=request)["generatePrimes"]
    if "job" in answer:
        job_id: str = answer["job"]["id"]
        return job_id
    if answer["retryable"]:
        raise ServerUnavailableError(answer["message"], answer.get("retryAfterMs", 0) / 1000)
    raise ClientError(answer["message"])


def follow(client: httpx.Client, job_id: str, count: int, console: Console) -> dict[str, Any]:
    """Show progress until the job has a final status, and return the job."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    job: dict[str, Any] = {"version": None}
    with progress_bar(console, *columns) as progress:
        bar = progress.add_task("queued", total=count)
        try:
            for attempt in retrying():
                with attempt:
                    for update in _updates(client, job_id, job["version"]):
                        job = update
                        renew(attempt)
                        progress.update(bar, description=job["status"].lower(), completed=job["progress"]["done"])
        except (httpx.TransportError, ServerUnavailableError) as error:
            reason = str(error) or type(error).__name__
            raise ClientError(f"Connection lost ({reason}). The job {job_id} may still be running.") from error
    return job


def _updates(client: httpx.Client, job_id: str, after_version: int | None) -> Iterator[dict[str, Any]]:
    """The job after each change, to the final one.

    Raises:
        ServerUnavailableError: the stream ended before the job.
        httpx.TransportError: the connection broke.
    """
    request = {"query": FOLLOW, "variables": {"id": job_id, "after": after_version}}
    with connect_sse(client, "POST", "/graphql", json=request) as stream:
        check_status(stream.response)
        for event in stream.iter_sse():
            if event.event == "next":
                answer = data_of(event.json())["jobUpdates"]
                if "job" in answer:
                    yield answer["job"]
                    if answer["job"]["isFinal"]:
                        return
                elif not answer["retryable"]:
                    raise ClientError(answer["message"])
    raise ServerUnavailableError("the stream of updates ended")


def cancel(client: httpx.Client, request: dict[str, Any], job_id: str | None) -> None:
    """Cancel the job. None: the response to its submission has not arrived, and another submission returns its id."""
    try:
        execute(client, CANCEL, id=job_id or _submit_once(client, request))
    except (httpx.HTTPError, ClientError) as error:
        reason = str(error) or type(error).__name__
        job = f"The job {job_id}" if job_id else "A submitted job"
        raise ClientError(f"Interrupted, but not cancelled ({reason}). {job} may still be running.") from error
