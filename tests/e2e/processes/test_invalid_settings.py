"""Every program refuses the same settings, in one line."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

INVALID = "redis://:secret@127.0.0.1:1/6/"

BOUND = "must have a database from 0 to 2147483647 after the host and one slash, e.g. /0"

PROGRAMS = {
    "API": ["gql"],
    "server": ["uvicorn", "gql.app:app"],
    "worker": ["celery", "-A", "tasks", "worker"],
    "local run": ["gql.local"],
    "keys": ["gql.keys", "list"],
    "health check": ["tasks.worker.healthcheck"],
    "credentials": ["tasks.acl", "."],
}


def test_every_program_refuses_an_invalid_setting_in_one_line(tmp_path: Path) -> None:
    environment = os.environ | {"REDIS_URL": INVALID, "DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    started = {
        name: subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name, command in PROGRAMS.items()
    }
    outputs = {name: process.communicate(timeout=100)[0] for name, process in started.items()}
    assert {name: process.returncode for name, process in started.items()} == dict.fromkeys(PROGRAMS, 1), outputs
    assert outputs == dict.fromkeys(PROGRAMS, f"error: REDIS_URL is invalid: {BOUND}\n")
