"""The command line of the client."""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gql.client.downloads import FORMATS

if TYPE_CHECKING:
    from collections.abc import Sequence

# An environment variable, since other users of the machine can read command lines.
KEY_VARIABLE = "PRIMES_KEY"


@dataclass(frozen=True, slots=True)
class Arguments:
    """The parsed command line."""

    url: str
    count: int
    start: int
    output: Path | None


def parse_arguments(arguments: Sequence[str] | None) -> Arguments:
    """Parse the command line. Exits with an error when it is invalid, before the server has computed anything."""
    parser = argparse.ArgumentParser(
        prog="python -m gql.client",
        description="Generate primes and save them to a file.",
        epilog=f"{KEY_VARIABLE} holds the API key or token for servers that require authentication.",
    )
    parser.add_argument("count", type=int, help="number of primes to generate")
    parser.add_argument("--start", type=int, default=2, help="lower bound of the first prime (default: %(default)s)")
    parser.add_argument("--output", type=Path, help=f"file to save the primes to, ending in {', '.join(FORMATS)}")
    parser.add_argument("--force", action="store_true", help="overwrite an existing file")
    parser.add_argument("--url", default="http://127.0.0.1:8000", help="address of the server (default: %(default)s)")
    parsed = parser.parse_args(arguments)
    if (error := _output_error(parsed.output, force=parsed.force)) is not None:
        parser.error(f"--output is {parsed.output}, {error}")
    return Arguments(parsed.url.rstrip("/"), parsed.count, parsed.start, parsed.output)


def _output_error(output: Path | None, *, force: bool) -> str | None:
    if output is None:
        return None
    if output.suffix.removeprefix(".") not in FORMATS:
        return f"must end in one of {', '.join(FORMATS)}"
    if not os.access(output.parent, os.W_OK | os.X_OK):
        return f"but {output.parent} is not a writable directory"
    if output.is_dir():
        return "which is a directory: choose another name"
    if output.exists() and not force:
        return "which exists: choose another name, or use --force to overwrite it"
    return None
