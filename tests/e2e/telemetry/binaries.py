"""Collector, VictoriaMetrics and Jaeger, built from their published Go modules, so that tests need no container images.

Each folder in programs/ has a go.mod and a go.sum, so sources are checked against hashes. A test keeps the versions
equal to those of the images in docker-compose.yml. A build takes minutes (Jaeger: five on two cores), so binaries are
cached outside the repository, for all clones of this user.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import pytest

from tests.e2e.cache import cache_folder, exclusive_lock

PROGRAMS = Path(__file__).parent / "programs"

ProgramName = Literal["collector", "victoria-metrics", "vmalert", "vmalert-tool", "jaeger"]

_VICTORIA = "github.com/VictoriaMetrics/VictoriaMetrics/app"
PACKAGES = {
    "victoria-metrics": [f"{_VICTORIA}/{name}" for name in ("victoria-metrics", "vmalert", "vmalert-tool")],
    "jaeger": ["github.com/jaegertracing/jaeger/cmd/jaeger"],
}
_FOLDERS = {"vmalert": "victoria-metrics", "vmalert-tool": "victoria-metrics"}
_BUILDER = "go.opentelemetry.io/collector/cmd/builder"

# Makes builds independent of the Go settings of this machine. Without cgo no C compiler is required.
_SETTINGS = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOWORK": "off"}
_BUILD = ("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w")
_BUILD_SECONDS = 1500


@cache
def program(name: ProgramName) -> str:
    """The path of a program, built unless it is cached. Skips the test without a suitable Go."""
    source = PROGRAMS / _FOLDERS.get(name, name)
    folder = cache_folder() / f"{source.name}-{_fingerprint(source)}"
    with exclusive_lock(folder):
        if not folder.exists():
            _build(source, folder)
    return str(folder / name)


def _build(source: Path, target: Path) -> None:
    """Build all programs of a folder, and move them to the target together."""
    scratch = target.with_name(f".{target.name}")
    # Left by an earlier build that was killed.
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
    """Generate the main package with the collector's builder, and keep our go.mod, which pins the versions."""
    _run([*_BUILD, "-o", str(builder), _BUILDER], modules)
    _run([str(builder), "--config=manifest.yaml", "--skip-get-modules", "--skip-compilation"], modules)
    for name in ("go.mod", "go.sum"):
        shutil.copy(modules / name, modules / "build" / name)
    return modules / "build"


def _fingerprint(source: Path) -> str:
    """A hash of everything that affects the binaries."""
    if shutil.which("go") is None:
        pytest.skip(f"{source.name} is built from source, and Go is not installed")
    # Fails if go.mod requires a newer Go that cannot be downloaded.
    checked = _go(["go", "list", "-m"], source)
    if checked.returncode:
        pytest.skip(f"{source.name} is built from source, and the installed Go is unsuitable: {checked.stderr.strip()}")
    digest = hashlib.sha256(_go(["go", "env", "GOVERSION", "GOOS", "GOARCH"], source).stdout.encode())
    for file in sorted(source.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    digest.update(repr((PACKAGES.get(source.name), _SETTINGS, _BUILD)).encode())
    return digest.hexdigest()[:16]


def _run(command: list[str], folder: Path) -> None:
    done = _go(command, folder)
    if done.returncode:
        pytest.fail(f"{' '.join(command)} failed:\n{done.stderr[-3000:]}", pytrace=False)


def _go(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | _SETTINGS
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=_BUILD_SECONDS
    )


if __name__ == "__main__":
    # Before the tests run, since a build takes all cores and some of them have deadlines. They report an unsuitable Go.
    with suppress(pytest.skip.Exception):
        for name in get_args(ProgramName):
            program(name)
