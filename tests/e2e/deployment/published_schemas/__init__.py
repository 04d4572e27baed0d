"""Schemas published in Go modules. go.mod pins their versions, go.sum their hashes."""

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
def go_module(name: str) -> Path:
    """The folder of a downloaded module. Skips the test when Go, which downloads it, is not installed."""
    if shutil.which("go") is None:
        pytest.skip(f"{name} is a Go module, and Go is not installed")
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
