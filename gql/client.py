"""Submit a job, watch it, save its primes: `python -m gql.client 1000000 --output primes.parquet`.

On the public API only, as any other client: it works against any server, and is an example of one. A connection that
breaks costs nothing: the submission carries an idempotency key, the subscription goes on after the last version it saw,
and the download after the last byte.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from httpx_sse import connect_sse
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUBMIT = """
mutation Submit($input: GeneratePrimesInput!) {
  generatePrimes(input: $input) {
    ... on GeneratePrimesAccepted { job { id } }
    ... on UserError { message retryable }
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

FORMATS = ("parquet", "csv", "ndjson")

# Compressed on the way, a file has no size beforehand, and no parts.
AS_IT_IS = {"Accept-Encoding": "identity"}

# A server that restarts is back within seconds.
TRIES = 20
TRY_AGAIN_SECONDS = 0.5

# The server sends a sign of life every 10 seconds while there is no news.
SILENCE_SECONDS = 30


class Refused(Exception):
    """What the server has said no to, in its own words."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    url: str
    count: int
    start: int
    output: Path | None


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the primes are there, 1 when not, 130 after Ctrl-C, which cancels the job."""
    wish = read(arguments)
    # Progress is for people; what was asked for is all that is written to standard output.
    console = Console(stderr=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with httpx.Client(base_url=wish.url, timeout=SILENCE_SECONDS) as client:
        try:
            job_id = submit(client, wish)
            try:
                job = follow(client, job_id, wish.count, console)
                if wish.output is not None and job["status"] == "SUCCEEDED":
                    download(client, job_id, wish.output, console)
            except KeyboardInterrupt:
                execute(client, CANCEL, id=job_id)
                console.print("cancelled")
                return 130
        except (Refused, httpx.HTTPError, OSError) as error:
            console.print(f"error: {error}", style="red", markup=False)
            return 1
    if job["status"] != "SUCCEEDED":
        reason = job["failure"]["message"] if job["failure"] else "somebody else ended it"
        console.print(f"error: the job is {job['status']}: {reason}", style="red", markup=False)
        return 1
    result = job["result"]
    sys.stdout.write(f"{wish.count} primes from {result['first']} to {result['last']}, sha256 {result['sha256']}\n")
    return 0


def read(arguments: Sequence[str] | None) -> Wish:
    """What is wished for; ends the program where that is not clear."""
    parser = argparse.ArgumentParser(prog="python -m gql.client", description="Generate primes and save them.")
    parser.add_argument("count", type=int, help="how many primes")
    parser.add_argument("--start", type=int, default=2, help="the first ones from here on (default: 2)")
    parser.add_argument("--output", type=Path, help=f"a file to save them in, ending in one of {', '.join(FORMATS)}")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server (default: %(default)s)")
    found = parser.parse_args(arguments)
    if found.output is not None and found.output.suffix.removeprefix(".") not in FORMATS:
        parser.error(f"--output is {found.output}, must end in one of {', '.join(FORMATS)}")
    return Wish(found.url.rstrip("/"), found.count, found.start, found.output)


def submit(client: httpx.Client, wish: Wish) -> str:
    """The id of the job."""
    # Sent again with the same key, a submission whose answer was lost finds the job that it has made.
    submission = {"count": wish.count, "start": wish.start, "idempotencyKey": str(uuid.uuid4())}
    for _ in tries():
        try:
            answer = execute(client, SUBMIT, input=submission)["generatePrimes"]
        except httpx.TransportError:
            continue
        if "job" in answer:
            job_id: str = answer["job"]["id"]
            return job_id
        if not answer["retryable"]:
            raise Refused(answer["message"])
    raise Refused(f"{wish.url} does not take the job: is it running, and ready?")


def follow(client: httpx.Client, job_id: str, count: int, console: Console) -> dict[str, Any]:
    """The job as it ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("queued", total=count)
        version = None
        for _ in tries():
            try:
                for job in updates(client, job_id, version):
                    version = job["version"]
                    progress.update(bar, description=job["status"].lower(), completed=job["progress"]["done"])
                    if job["isFinal"]:
                        return job
            except httpx.TransportError:
                continue
    raise Refused("the server is gone; the job may go on")


def updates(client: httpx.Client, job_id: str, after: int | None) -> Iterator[dict[str, Any]]:
    """Each newer state, until the stream ends or breaks off."""
    request = {"query": FOLLOW, "variables": {"id": job_id, "after": after}}
    with connect_sse(client, "POST", "/graphql", json=request) as stream:
        for event in stream.iter_sse():
            if event.event == "next":
                answer = data_of(event.json())["jobUpdates"]
                if "job" in answer:
                    yield answer["job"]
                elif not answer["retryable"]:
                    raise Refused(answer["message"])


def download(client: httpx.Client, job_id: str, output: Path, console: Console) -> None:
    """Save the primes; the file appears when it is whole."""
    address = f"/jobs/{job_id}/primes{output.suffix}"
    part = output.with_name(f"{output.name}.part")
    size = int(client.head(address, headers=AS_IT_IS).raise_for_status().headers["Content-Length"])
    columns = (TextColumn(output.name), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, part.open("wb") as file:
        bar = progress.add_task("", total=size)
        for _ in tries():
            try:
                with client.stream("GET", address, headers=AS_IT_IS | {"Range": f"bytes={file.tell()}-"}) as answer:
                    for data in answer.raise_for_status().iter_raw():
                        file.write(data)
                        progress.update(bar, completed=file.tell())
            except httpx.TransportError:
                continue
            if file.tell() == size:
                break
        else:
            raise Refused(f"the download broke off at byte {file.tell()} of {size}: what there is is in {part}")
    part.replace(output)


def execute(client: httpx.Client, query: str, **variables: object) -> dict[str, Any]:
    """The data of a query or mutation."""
    response = client.post("/graphql", json={"query": query, "variables": variables})
    return data_of(response.raise_for_status().json())


def data_of(answer: dict[str, Any]) -> dict[str, Any]:
    """What was asked for; errors of GraphQL are raised."""
    if "errors" in answer:
        raise Refused("; ".join(error["message"] for error in answer["errors"]))
    data: dict[str, Any] = answer["data"]
    return data


def tries() -> Iterator[int]:
    """One at once, then some more with pauses."""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(TRY_AGAIN_SECONDS)
        yield attempt


if __name__ == "__main__":
    sys.exit(main())
