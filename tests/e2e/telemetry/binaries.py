"""Collector, VictoriaMetrics and Jaeger, built from their published Go modules: where tests run, there are no images.

Each folder in programs/ has a go.mod and a go.sum, so what is built is checked against hashes; its versions are those
of the images in docker-compose.yml, which a test holds to that. A build takes minutes (Jaeger's: five, on two cores),
so it is kept outside the tree, for all clones and runs of this user.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAMS = Path(__file__).parent / "programs"

ProgramName = Literal["collector", "victoria-metrics", "vmalert", "vmalert-tool", "jaeger"]

_VICTORIA = "github.com/VictoriaMetrics/VictoriaMetrics/app"
PACKAGES = {
    "victoria-metrics": [f"{_VICTORIA}/{name}" for name in ("victoria-metrics", "vmalert", "vmalert-tool")],
    "jaeger": ["github.com/jaegertracing/jaeger/cmd/jaeger"],
}
_FOLDERS = {"vmalert": "victoria-metrics", "vmalert-tool": "victoria-metrics"}
_BUILDER = "go.opentelemetry.io/collector/cmd/builder"

# The same programs for any setting of this machine's Go. Without C there is one compiler less to need.
_SETTINGS = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
_BUILD = ("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
_BUILD_SECONDS = 1500


@cache
def program(name: ProgramName) -> str:
    """Where a program is; built if this user has not yet built it. Skips the test where there is no fitting Go."""
    source = PROGRAMS / _FOLDERS.get(name, name)
    folder = _cache() / f"{source.name}-{_fingerprint(source)}"
    with _one_at_a_time(folder):
        if not folder.exists():
            _build(source, folder)
    return str(folder / name)


def _build(source: Path, target: Path) -> None:
    """Build all programs of a folder; they appear together, when all are there."""
    scratch = target.with_name(f".{target.name}")
    # What an earlier try that was killed has left.
    shutil.rmtree(scratch, ignore_errors=True)
    modules, built = scratch / "modules", scratch / "built"
    try:
        shutil.copytree(source, modules)
        built.mkdir()
        if source.name == "collector":
            modules = _generate_collector(modules, scratch / "builder")
        packages = PACKAGES.get(source.name, ["."])
        _run([*_BUILD, "-o", f"{built}{os.sep}", *packages], modules)
        built.rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _generate_collector(modules: Path, builder: Path) -> Path:
    """Have the collector's own builder write its main package; our go.mod stays: it would look for newer."""
    _run([*_BUILD, "-o", str(builder), _BUILDER], modules)
    _run([str(builder), "--config=manifest.yaml", "--skip-get-modules", "--skip-compilation"], modules)
    for name in ("go.mod", "go.sum"):
        shutil.copy(modules / name, modules / "build" / name)
    return modules / "build"


def _fingerprint(source: Path) -> str:
    """Of everything that decides what comes out."""
    if shutil.which("go") is None:
        pytest.skip(f"{source.name} is built from source, and there is no Go on this machine")
    # Says no if go.mod asks for a newer Go than this one, and this one may not fetch it.
    checked = _go(["go", "list", "-m"], source)
    if checked.returncode:
        pytest.skip(f"{source.name} is built from source, and this machine's Go can't: {checked.stderr.strip()}")
    digest = hashlib.sha256(_go(["go", "env", "GOVERSION", "GOOS", "GOARCH"], source).stdout.encode())
    for file in sorted(source.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    digest.update(repr((PACKAGES.get(source.name), _SETTINGS, _BUILD)).encode())
    return digest.hexdigest()[:16]


def _cache() -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "async-prime-generator"


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Let two runs side by side take turns. Freed by the system when a run is killed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: list[str], folder: Path) -> None:
    done = _go(command, folder)
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}", pytrace=False)


def _go(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | _SETTINGS
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=_BUILD_SECONDS
    )
