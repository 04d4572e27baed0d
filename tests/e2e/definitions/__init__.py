"""Schemas that others publish in their Go modules: go.mod says which, go.sum holds their hashes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

_DOWNLOAD_SECONDS = 100


@cache
def module(name: str) -> Path:
    """The folder of a module. Skips the test where there is no Go, which would fetch it."""
    if shutil.which("go") is None:
        pytest.skip(f"{name} is a Go module, and there is no Go on this machine")
    done = subprocess.run(
        ["go", "mod", "download", "-json", name],
        cwd=Path(__file__).parent,
        env=os.environ | {"GOFLAGS": "-mod=readonly", "GOWORK": "off"},
        capture_output=True,
        text=True,
        check=False,
        timeout=_DOWNLOAD_SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(json.loads(done.stdout)["Dir"])
