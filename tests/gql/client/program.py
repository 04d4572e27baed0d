"""The command-line client as a program, for tests that interrupt it."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def started(url: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run the client until the block ends."""
    command = [sys.executable, "-m", "gql.client", "--url", url, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as client:
        try:
            yield client
        finally:
            client.kill()
