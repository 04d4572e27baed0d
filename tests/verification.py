"""Checksums of results, computed without the code of the project, and by the program in docs/clients.md."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

_SEGMENT_BYTES = 8 * 2**20


def checksum(primes: npt.NDArray[np.uint64]) -> str:
    """SHA-256 of the SHA-256 digests of segments."""
    data = primes.astype("<u8").tobytes()
    starts = range(0, len(data), _SEGMENT_BYTES)
    digests = [hashlib.sha256(data[start : start + _SEGMENT_BYTES]).digest() for start in starts]
    return hashlib.sha256(b"".join(digests)).hexdigest()


def documented_checksum(download: Path) -> str:
    """What the program in docs/clients.md prints for a downloaded file."""
    [program] = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "docs/clients.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    done = subprocess.run(
        [sys.executable, "-c", program, download.name],
        cwd=download.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    # DuckDB may print a progress bar first.
    return done.stdout.split()[-1]
