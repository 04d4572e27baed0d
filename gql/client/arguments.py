"""The command line of the client."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gql.client.downloads import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gql.client.downloads import Format

# An environment variable, since other users of the machine can read command lines.
KEY_VARIABLE = "PRIMES_KEY"

STANDARD_OUTPUT = Path("-")

SUFFIXES = ", ".join(form.suffix for form in FORMATS.values())


EPILOG = f"""\
{KEY_VARIABLE} holds the API key or token for servers that require authentication.

exit codes:
  0    the primes were generated, and written
  1    an error, which is printed: the server refused the job, it failed or was cancelled,
       the server is unreachable, or the primes cannot be written
  2    invalid command line
  130  interrupted by Ctrl-C or SIGTERM: a job that was not finished is cancelled
  141  standard output was closed before all primes were written, for example by head
"""


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parsed command line.

    Args:
        url: address of the server.
        count: number of primes.
        start: lower bound of the first prime.
        form: format to write the primes in. None: they are not written.
        output: file to write them to. None: standard output.
    """

    url: str
    count: int
    start: int
    form: Format | None
    output: Path | None


def parse_arguments(arguments: Sequence[str] | None) -> Arguments:
    """Parse the command line. Exits with an error when it is invalid, before the server has computed anything."""
    parser = argparse.ArgumentParser(
        prog="python -m gql.client",
        description="Generate primes and write them to a file or to standard output.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("count", type=int, help="number of primes to generate")
    parser.add_argument("--start", type=int, default=2, help="lower bound of the first prime (default: %(default)s)")
    parser.add_argument(
        "--output",
        type=Path,
        help="file to save the primes to; - for standard output, the default unless it is a terminal",
    )
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help=f"format of the primes (default: by the end of the file name, {SUFFIXES}; "
        "text, one prime per line, for standard output)",
    )
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the server (default: %(default)s)")
    parsed = parser.parse_args(arguments)
    output = None if parsed.output == STANDARD_OUTPUT else parsed.output
    form = _format(parsed.format, parsed.output)
    if output is None:
        if form == FORMATS["parquet"] and sys.stdout.isatty():
            parser.error("--format is parquet, which is unreadable in a terminal: use --output to save it to a file")
    elif form is None:
        parser.error(f"--output is {output}, must end in one of {SUFFIXES}, or --format must be set")
    elif (error := _output_error(output, force=parsed.force)) is not None:
        parser.error(f"--output is {output}, {error}")
    return Arguments(parsed.url.rstrip("/"), parsed.count, parsed.start, form, output)


def _format(name: str | None, output: Path | None) -> Format | None:
    """The requested format, else that of the file name, else text, except for a terminal: None."""
    if name is not None:
        return FORMATS[name]
    if output is None:
        return None if sys.stdout.isatty() else FORMATS["text"]
    if output == STANDARD_OUTPUT:
        return FORMATS["text"]
    return next((form for form in FORMATS.values() if form.suffix == output.suffix), None)


def _output_error(output: Path, *, force: bool) -> str | None:
    if not os.access(output.parent, os.W_OK | os.X_OK):
        return f"but {output.parent} is not a writable directory"
    if output.is_dir():
        return "which is a directory: choose another name"
    if output.exists() and not force:
        return "which exists: choose another name, or use --force to overwrite it"
    return None
