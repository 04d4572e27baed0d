"""Finding and loading the C libraries of the installed wheel, on Linux and macOS."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tasks.engine import EngineLoadError, libraries

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", ["primesieve", "primecount"])
def test_the_installed_wheel_contains_the_library(name: str) -> None:
    assert f"lib{name}" in libraries.find(name)


@pytest.mark.parametrize(
    ("installed", "found"),
    [
        ("wheel.libs/libprimesieve-02f80867.so.12.9.0", True),
        ("primecountpy/.dylibs/libprimesieve.12.dylib", True),
        ("lib/libprimesieve.so", True),
        ("primesieve/libprimesieve.pxd", False),
        ("primesieve/_primesieve.cpython-311-x86_64-linux-gnu.so", False),
        ("wheel.libs/libprimecount-48d1e077.so.7.19", False),
    ],
)
def test_a_library_is_found_by_its_file_name(
    installed: str, found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    describe_wheel(tmp_path, files=[installed])
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    if found:
        assert libraries.find("primesieve") == str(tmp_path / installed)
    else:
        with pytest.raises(EngineLoadError, match=f"no libprimesieve for {sys.platform}"):
            libraries.find("primesieve")


def test_error_names_the_missing_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    with pytest.raises(EngineLoadError, match="passagemath-primesieve-primecount is not installed"):
        libraries.find("primesieve")


def test_error_names_the_library_that_does_not_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    describe_wheel(tmp_path, files=["libprimesieve.so"])
    (tmp_path / "libprimesieve.so").write_bytes(b"not a library")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])

    with pytest.raises(EngineLoadError, match=r"libprimesieve does not load from .*libprimesieve\.so"):
        libraries.load("primesieve")


def test_both_libraries_use_one_thread() -> None:
    assert libraries.primesieve().primesieve_get_num_threads() == 1
    assert libraries.primecount().primecount_get_num_threads() == 1


def test_importing_the_engine_loads_no_library() -> None:
    """A worker's parent process imports the engine, then forks. The wheel's extension module is never imported."""
    program = (
        "import sys; from tasks import engine; from tasks.engine import libraries as l;"
        "print(l.primesieve.cache_info().currsize, l.primecount.cache_info().currsize);"
        "engine.segment_start(0, 10**6); engine.primes_from(0, 1); print('primecountpy' in sys.modules)"
    )
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert process.stdout == "0 0\nFalse\n"


def describe_wheel(folder: Path, files: list[str]) -> None:
    """Creates the metadata folder that an installer writes, which lists the wheel's files."""
    metadata = folder / "passagemath_primesieve_primecount-0.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {libraries.DISTRIBUTION}\nVersion: 0.1\n")
    (metadata / "RECORD").write_text("".join(f"{file},,\n" for file in files))
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    importlib.invalidate_caches()
