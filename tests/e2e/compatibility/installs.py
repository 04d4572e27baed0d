"""Installs packages for the tests, apart from those of the project: npm packages and Python environments.

Installed under .cache/e2e once per lock file. A failed installation fails the test and reports the reason.
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
# Written last, so that an interrupted installation is repeated.
_STAMP = ".installed"
_PACKAGES = (".npmrc", "package.json", "package-lock.json")
_INSTALL_SECONDS = 200


def npm_project(source: Path, target: Path) -> Path:
    """A copy of a Node project with the packages of its lock file. Does not run the scripts of packages."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules"))
    (target / "node_modules").symlink_to(npm_packages(source))
    return target


def python_environment(lock: Path) -> Path:
    """The interpreter of an environment with the packages of a lock file, verified by their hashes."""
    environment = _CACHE / _fingerprint(lock.stem, [lock])
    with _locked(environment):
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


def npm_packages(source: Path) -> Path:
    """The folder with the packages of a Node project."""
    folder = _CACHE / _fingerprint(source.name, [source / name for name in _PACKAGES])
    with _locked(folder):
        if not (folder / _STAMP).exists():
            for name in _PACKAGES:
                shutil.copy(source / name, folder)
            # By default, npm retries for minutes without a network.
            network = (
                "--prefer-offline",
                "--fetch-retries=1",
                "--fetch-retry-mintimeout=1000",
                "--fetch-timeout=20000",
            )
            _run(
                ["npm", "ci", "--ignore-scripts", "--include=dev", "--no-progress", *network],
                folder,
                f"{source.name}: npm packages",
            )
            (folder / _STAMP).touch()
    return folder / "node_modules"


def _fingerprint(name: str, files: list[Path]) -> str:
    digest = hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()
    return f"{name}-{digest[:16]}"


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder against concurrent test runs. The kernel releases the lock if a run is killed."""
    folder.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path, what: str) -> None:
    if shutil.which(command[0]) is None:
        pytest.fail(f"{what} cannot be installed: {command[0]} is missing", pytrace=False)
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_INSTALL_SECONDS)
    if done.returncode:
        pytest.fail(f"{what} cannot be installed:\n{done.stderr[-1500:]}", pytrace=False)
