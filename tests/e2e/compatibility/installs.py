"""Other people's packages for the tests: npm projects and Python environments, apart from the project's own.

Installed under .cache/, once for each lock file, exactly as it says. What can't be installed is a failure that says so.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CACHE = ROOT / ".cache" / "e2e"
# Written last: what was interrupted has none, and is installed again.
_STAMP = ".installed"
_PACKAGES = (".npmrc", "package.json", "package-lock.json")
_INSTALL_SECONDS = 200


def npm_project(source: Path, target: Path) -> Path:
    """A copy of a Node project with its packages installed: what its lock file names, running no package's scripts."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules"))
    (target / "node_modules").symlink_to(_npm_packages(source))
    return target


def python_environment(lock: Path) -> Path:
    """The interpreter of an environment with the packages of a lock file, checked against their hashes."""
    environment = _CACHE / _fingerprint(lock.stem, [lock])
    with _one_at_a_time(environment):
        if not (environment / _STAMP).exists():
            uv = [sys.executable, "-m", "uv", "--quiet"]
            _run(
                [*uv, "venv", "--clear", "--python", sys.executable, str(environment / "venv")],
                ROOT,
                f"{lock.name}: environment",
            )
            python = str(environment / "venv/bin/python")
            _run(
                [*uv, "pip", "sync", "--require-hashes", "--python", python, str(lock)], ROOT, f"{lock.name}: packages"
            )
            (environment / _STAMP).touch()
    return environment / "venv/bin/python"


def _npm_packages(source: Path) -> Path:
    folder = _CACHE / _fingerprint(source.name, [source / name for name in _PACKAGES])
    with _one_at_a_time(folder):
        if not (folder / _STAMP).exists():
            for name in _PACKAGES:
                shutil.copy(source / name, folder)
            # npm itself goes on trying a closed network for minutes.
            network = (
                "--prefer-offline",
                "--fetch-retries=1",
                "--fetch-retry-mintimeout=1000",
                "--fetch-timeout=20000",
            )
            _run(["npm", "ci", "--ignore-scripts", "--no-progress", *network], folder, f"{source.name}: npm packages")
            (folder / _STAMP).touch()
    return folder / "node_modules"


def _fingerprint(name: str, files: list[Path]) -> str:
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
    return f"{name}-{digest[:16]}"


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let two runs side by side take turns. Freed by the system when a run is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path, what: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.fail(f"{what} can't be installed: {command[0]} is not on this machine", pytrace=False)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
    if done.returncode:
        pytest.fail(f"{what} can't be installed:\n{done.stderr[-1500:]}", pytrace=False)
