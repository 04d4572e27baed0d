"""Downloads the primes of a job to a file or to standard output."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO

import httpx
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn

from gql.client.errors import ClientError, ServerUnavailableError
from gql.client.responses import check_status
from gql.client.retries import renew, retrying
from gql.client.streams import progress_bar, standard_output

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Format:
    """A file format.

    Args:
        suffix: what the names of its files end in.
        resource: the file that the server has for it.
        skipped: number of bytes at the start of that file that are not part of the format.
    """

    suffix: str
    resource: str
    skipped: int = 0


FORMATS = {
    "parquet": Format(".parquet", "primes.parquet"),
    "csv": Format(".csv", "primes.csv"),
    "ndjson": Format(".ndjson", "primes.ndjson"),
    # CSV with one column and without its header.
    "text": Format(".txt", "primes.csv", len(b"prime\n")),
}

# A compressed response has neither a known length nor byte ranges.
UNCOMPRESSED = {"Accept-Encoding": "identity"}


def download(client: httpx.Client, job_id: str, form: Format, output: Path | None, console: Console) -> None:
    """Save the primes in a file, or write them to standard output without an output file."""
    path = f"/jobs/{job_id}/{form.resource}"
    if output is None:
        with standard_output() as file:
            _receive(client, path, form, file, console)
    else:
        _save(client, path, form, output, console)


def _save(client: httpx.Client, path: str, form: Format, output: Path, console: Console) -> None:
    """Save the primes. The output file appears when it is complete.

    After a failure, the partial file is kept, and a command to resume the download is printed.
    """
    partial = output.with_name(f"{output.name}.part")
    try:
        with partial.open("wb") as file:
            _receive(client, path, form, file, console)
    except (KeyboardInterrupt, ClientError, OSError):
        url = client.base_url.join(path)
        resume = f"curl -C - -o {partial} {url}"
        if form.skipped and partial.exists():
            resume = f"curl -r {partial.stat().st_size + form.skipped}- {url} >> {partial}"
        console.print(f"To resume: {resume}", markup=False, highlight=False)
        raise
    partial.replace(output)


def _receive(client: httpx.Client, path: str, form: Format, file: BinaryIO, console: Console) -> None:
    columns = (TextColumn(form.resource), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with progress_bar(console, *columns) as progress:
        bar = progress.add_task("", total=None)
        position = form.skipped
        try:
            for attempt in retrying():
                with attempt:
                    for received, size in _append(client, path, position, file):
                        position = received
                        renew(attempt)
                        progress.update(bar, completed=position, total=size)
        except (httpx.TransportError, ServerUnavailableError) as error:
            raise ClientError(f"Download failed ({str(error) or type(error).__name__}).") from error


def _append(client: httpx.Client, path: str, position: int, file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Append the bytes from that position on. Yields the position and the total size after each chunk.

    Raises:
        httpx.TransportError: the connection broke.
    """
    with client.stream("GET", path, headers=UNCOMPRESSED | {"Range": f"bytes={position}-"}) as response:
        check_status(response)
        # A proxy may not support ranges, and sends what is there already again.
        repeated = position if response.status_code == HTTPStatus.OK else 0
        size = position - repeated + int(response.headers["Content-Length"])
        for chunk in response.iter_raw():
            content = chunk[repeated:]
            repeated -= len(chunk) - len(content)
            file.write(content)
            position += len(content)
            yield position, size
