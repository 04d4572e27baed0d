"""Downloads the primes of a job to a file."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, BinaryIO

import httpx
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from gql.client.errors import ClientError, ServerUnavailableError
from gql.client.responses import check_status
from gql.client.retries import renew, retrying

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.console import Console

FORMATS = ("parquet", "csv", "ndjson")

# A compressed response has neither a known length nor byte ranges.
UNCOMPRESSED = {"Accept-Encoding": "identity"}


def download(client: httpx.Client, job_id: str, output: Path, console: Console) -> None:
    """Save the primes. The output file appears when it is complete.

    After a failure, the partial file is kept, and a command to resume the download is printed.
    """
    path = f"/jobs/{job_id}/primes{output.suffix}"
    partial = output.with_name(f"{output.name}.part")
    try:
        _receive(client, path, partial, console)
    except (KeyboardInterrupt, ClientError, OSError):
        url = client.base_url.join(path)
        console.print(f"To resume: curl -C - -o {partial} {url}", markup=False, highlight=False)
        raise
    partial.replace(output)


def _receive(client: httpx.Client, path: str, partial: Path, console: Console) -> None:
    columns = (TextColumn(partial.stem), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress, partial.open("wb") as file:
        bar = progress.add_task("", total=None)
        try:
            for attempt in retrying():
                with attempt:
                    for size in _append(client, path, file):
                        renew(attempt)
                        progress.update(bar, completed=file.tell(), total=size)
        except (httpx.TransportError, ServerUnavailableError) as error:
            raise ClientError(f"Download failed ({str(error) or type(error).__name__}).") from error


def _append(client: httpx.Client, path: str, file: BinaryIO) -> Iterator[int]:
    """Append the missing bytes. Yields the total size after each chunk.

    Raises:
        httpx.TransportError: the connection broke.
    """
    headers = UNCOMPRESSED | {"Range": f"bytes={file.tell()}-"}
    with client.stream("GET", path, headers=headers) as response:
        check_status(response)
        # A proxy may not support ranges.
        if response.status_code == HTTPStatus.OK:
            file.seek(0)
            file.truncate()
        size = file.tell() + int(response.headers["Content-Length"])
        for chunk in response.iter_raw():
            file.write(chunk)
            yield size
