"""The command. Its help describes the exit codes."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from gql.client.arguments import KEY_VARIABLE, parse_arguments
from gql.client.downloads import download
from gql.client.errors import ClientError
from gql.client.jobs import cancel, follow, new_request, submit
from gql.client.streams import standard_output
from gql.http.proxies import ProxyError, client_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gql.client.arguments import Arguments

# The server sends a heartbeat every 10 seconds.
TIMEOUT_SECONDS = 30

# As a shell reports SIGINT and SIGPIPE.
EXIT_INTERRUPTED = 130
EXIT_OUTPUT_CLOSED = 141


def main(command_line: Sequence[str] | None = None) -> int:
    """Parse the command line, connect and run. Returns the exit status."""
    arguments = parse_arguments(command_line)
    # Progress and errors. Standard output has the primes only, or the summary if they are not written there.
    console = Console(stderr=True, soft_wrap=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        key = os.environ.get(KEY_VARIABLE)
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        options = client_options(arguments.url)
        with httpx.Client(base_url=arguments.url, timeout=TIMEOUT_SECONDS, headers=headers, **options) as client:
            return run(client, arguments, console)
    except KeyboardInterrupt:
        console.print("Interrupted.")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        return EXIT_OUTPUT_CLOSED
    except (ClientError, ProxyError, httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        return fail(console, str(error) or type(error).__name__)


def run(client: httpx.Client, arguments: Arguments, console: Console) -> int:
    """Submit the job, follow it, download its primes. Ctrl-C cancels the job until it ends."""
    request, job_id = new_request(arguments.count, arguments.start), None
    try:
        job_id = submit(client, request)
        job = follow(client, job_id, arguments.count, console)
    except KeyboardInterrupt:
        cancel(client, request, job_id)
        console.print("Interrupted: the job was cancelled.")
        return EXIT_INTERRUPTED
    if job["status"] != "SUCCEEDED":
        reason = job["failure"]["message"] if job["failure"] else "cancelled by another client"
        return fail(console, f"Job {job_id} {job['status'].lower()}: {reason}")
    result = job["result"]
    summary = f"{arguments.count} primes from {result['first']} to {result['last']}, sha256 {result['sha256']}"
    if arguments.form is not None:
        download(client, job_id, arguments.form, arguments.output, console)
        if arguments.output is None:
            console.print(summary, markup=False, highlight=False)
            return 0
    with standard_output() as file:
        file.write(f"{summary}\n".encode())
    return 0


def fail(console: Console, reason: str) -> int:
    """Print the error in one line and return the exit status."""
    console.print(f"error: {reason}", style="red", markup=False, highlight=False)
    return 1


if __name__ == "__main__":
    sys.exit(main())
