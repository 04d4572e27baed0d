"""Submit a job, watch it, save its primes: `python -m gql.client 1000000 --output primes.parquet`.

On the public API only, as any other client: it works against any server, and is an example of one. A connection that
breaks costs nothing: the submission carries an idempotency key, the subscription goes on after the last version it saw,
and the download after the last byte.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import uuid
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

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

FORMATS = ("parquet", "csv", "ndjson")

# Compressed on the way, a file has no size beforehand, and no parts.
AS_IT_IS = {"Accept-Encoding": "identity"}

# A server that restarts is back within seconds.
TRIES = 20
TRY_AGAIN_SECONDS = 0.5

# The server sends a sign of life every 10 seconds while there is no news.
SILENCE_SECONDS = 30

# What a server, or a proxy before it, answers while it restarts or has too much to do.
AWAY = {429, 502, 503, 504}

# Never on the command line, where everybody on the machine can read it.
KEY_VARIABLE = "PRIMES_KEY"

INTERRUPTED = 130


class Refused(Exception):
    """What the server has said no to, in its own words, or what it makes no sense to go on with."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for."""

    url: str
    count: int
    start: int
    output: Path | None


class Tries:
    """One at once, then some more with pauses; whoever gets on has them all again."""

    def __init__(self) -> None:
        self._left = TRIES
        self.pause = TRY_AGAIN_SECONDS

    def __iter__(self) -> Iterator[None]:
        while self._left:
            if self._left < TRIES:
                time.sleep(self.pause)
            self._left -= 1
            yield

    def renew(self) -> None:
        """There was progress."""
        self._left = TRIES


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when the primes are there, 1 when not, 130 after Ctrl-C, which cancels the job."""
    wish = read(arguments)
    # Progress is for people; what was asked for is all that is written to standard output.
    console = Console(stderr=True, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        key = os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        with httpx.Client(base_url=wish.url, timeout=SILENCE_SECONDS, headers=headers) as client:
            return run(client, wish, console)
    except KeyboardInterrupt:
        console.print("interrupted")
        return INTERRUPTED
    except (Refused, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return failed(console, str(error) or type(error).__name__)


def run(client: httpx.Client, wish: Wish, console: Console) -> int:
    """From the submission to the file."""
    job_id = submit(client, wish)
    try:
        job = follow(client, job_id, wish.count, console)
    except KeyboardInterrupt:
        execute(client, CANCEL, id=job_id)
        console.print("cancelled")
        return INTERRUPTED
    if job["status"] != "SUCCEEDED":
        reason = job["failure"]["message"] if job["failure"] else "somebody else ended it"
        return failed(console, f"the job is {job['status']}: {reason}")
    if wish.output is not None:
        download(client, job_id, wish.output, console)
    result = job["result"]
    sys.stdout.write(f"{wish.count} primes from {result['first']} to {result['last']}, sha256 {result['sha256']}\n")
    return 0


def failed(console: Console, why: str) -> int:
    """Say so, in a line."""
    console.print(f"error: {why}", style="red", markup=False, highlight=False)
    return 1


def read(arguments: Sequence[str] | None) -> Wish:
    """What is wished for; ends the program where that is not clear."""
    parser = argparse.ArgumentParser(prog="python -m gql.client", description="Generate primes and save them.")
    parser.add_argument("count", type=int, help="how many primes")
    parser.add_argument("--start", type=int, default=2, help="the first ones from here on (default: 2)")
    parser.add_argument("--output", type=Path, help=f"a file to save them in, ending in one of {', '.join(FORMATS)}")
    parser.add_argument("--force", action="store_true", help="write over a file that exists")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="the server (default: %(default)s)")
    parser.epilog = f"Where the server asks who is there: its key or token is read from {KEY_VARIABLE}."
    found = parser.parse_args(arguments)
    # Before the server has computed for minutes what can't be kept.
    if found.output is not None:
        if found.output.suffix.removeprefix(".") not in FORMATS:
            parser.error(f"--output is {found.output}, must end in one of {', '.join(FORMATS)}")
        if not os.access(found.output.parent, os.W_OK | os.X_OK):
            parser.error(f"--output is {found.output}: {found.output.parent} is no folder that can be written to")
        if found.output.is_dir() or (found.output.exists() and not found.force):
            parser.error(f"--output is {found.output}, which exists: choose another name, or --force for a file")
    return Wish(found.url.rstrip("/"), found.count, found.start, found.output)


def submit(client: httpx.Client, wish: Wish) -> str:
    """The id of the job."""
    # Sent again with the same key, a submission whose answer was lost finds the job that it has made.
    submission = {"count": wish.count, "start": wish.start, "idempotencyKey": str(uuid.uuid4())}
    why, tries = "it does not answer", Tries()
    for _ in tries:
        try:
            answer = execute(client, SUBMIT, input=submission)["generatePrimes"]
        except httpx.TransportError as error:
            if isinstance(error, httpx.UnsupportedProtocol):
                raise Refused(f"--url is {wish.url}, must begin with http:// or https://") from error
            why = str(error) or why
            continue
        if "job" in answer:
            job_id: str = answer["job"]["id"]
            return job_id
        why = answer["message"]
        if not answer["retryable"]:
            raise Refused(why)
        tries.pause = max(answer.get("retryAfterMs", 0) / 1000, TRY_AGAIN_SECONDS)
    raise Refused(f"{wish.url} does not take the job ({why}): is it running, and ready?")


def follow(client: httpx.Client, job_id: str, count: int, console: Console) -> dict[str, Any]:
    """The job as it ended."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("queued", total=count)
        version, tries = None, Tries()
        for _ in tries:
            try:
                for job in updates(client, job_id, version):
                    tries.renew()
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
        check(stream.response)
        for event in stream.iter_sse():
            if event.event == "next":
                answer = data_of(event.json())["jobUpdates"]
                if "job" in answer:
                    yield answer["job"]
                elif not answer["retryable"]:
                    raise Refused(answer["message"])


def download(client: httpx.Client, job_id: str, output: Path, console: Console) -> None:
    """Save the primes; the file appears when it is whole. What there is of it stays, and curl can go on with it."""
    address = f"/jobs/{job_id}/primes{output.suffix}"
    part = output.with_name(f"{output.name}.part")
    try:
        receive(client, address, part, console)
    except (KeyboardInterrupt, Refused, OSError):
        url = client.base_url.join(address)
        console.print(f"to go on: curl -C - -o {part} {url}", markup=False, highlight=False)
        raise
    part.replace(output)


def receive(client: httpx.Client, address: str, part: Path, console: Console) -> None:
    """Save the bytes, going on where they break off."""
    columns = (TextColumn(part.stem), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, part.open("wb") as file:
        bar, tries = progress.add_task("", total=None), Tries()
        for _ in tries:
            try:
                for size in pieces(client, address, file):
                    tries.renew()
                    progress.update(bar, completed=file.tell(), total=size)
            except httpx.TransportError:
                continue
            return
    raise Refused("the download broke off")


def pieces(client: httpx.Client, address: str, file: BinaryIO) -> Iterator[int]:
    """Append what is missing, piece by piece; gives the size of the whole after each.

    Raises:
        httpx.TransportError: it broke off.
    """
    part = {"Range": f"bytes={file.tell()}-"}
    with client.stream("GET", address, headers=AS_IT_IS | part) as answer:
        check(answer)
        # A proxy may know nothing of parts.
        if answer.status_code == HTTPStatus.OK:
            file.seek(0)
            file.truncate()
        size = file.tell() + int(answer.headers["Content-Length"])
        for data in answer.iter_raw():
            file.write(data)
            yield size


def execute(client: httpx.Client, query: str, **variables: object) -> dict[str, Any]:
    """The data of a query or mutation."""
    response = client.post("/graphql", json={"query": query, "variables": variables})
    check(response)
    return data_of(document_of(response))


def check(response: httpx.Response) -> None:
    """Raise unless it is a success: as a broken connection where the server may be back soon, else in its own words."""
    if response.status_code in AWAY:
        raise httpx.ReadError(f"the server answers {response.status_code} {response.reason_phrase}")
    if not response.is_success:
        response.read()
        data_of(document_of(response))


def document_of(response: httpx.Response) -> dict[str, Any]:
    """What came as JSON, of GraphQL or of a problem."""
    try:
        document = response.json()
    except ValueError:
        document = None
    if isinstance(document, dict) and ("data" in document or "errors" in document or "detail" in document):
        return document
    answer = f"{response.status_code} {response.reason_phrase}"
    raise Refused(f"{response.url} answers {answer}, but not as a prime generator does: is --url right?")


def data_of(answer: dict[str, Any]) -> dict[str, Any]:
    """What was asked for; errors of GraphQL, and problems, are raised."""
    if "errors" in answer:
        raise Refused("; ".join(error["message"] for error in answer["errors"]))
    if "detail" in answer:
        raise Refused(str(answer["detail"]))
    data: dict[str, Any] = answer["data"]
    return data


if __name__ == "__main__":
    sys.exit(main())
