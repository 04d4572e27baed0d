"""Building programs from source: built once, and skipped with a reason when Go is unsuitable."""

from __future__ import annotations

import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.e2e.telemetry import binaries
from tests.e2e.telemetry.deployed import SERVICES

if TYPE_CHECKING:
    from pathlib import Path

# Jaeger version 2 is released from a Go module of version 1.
JAEGER_MODULES = {"2.13.0": "1.76.0"}

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="Go is not installed")


@pytest.fixture
def tiny_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A minimal program in place of the real one, and a separate cache."""
    source = tmp_path / "programs" / "jaeger"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module tools/jaeger\n\ngo 1.18\n", encoding="utf-8")
    (source / "main.go").write_text('package main\n\nfunc main() { println("tiny") }\n', encoding="utf-8")
    monkeypatch.setattr(binaries, "PROGRAMS", source.parent)
    monkeypatch.setitem(binaries.PACKAGES, "jaeger", ["."])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # A developer may have set this for another project.
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    return source


def build() -> str:
    # Without functools.cache.
    return binaries.program.__wrapped__("jaeger")


@needs_go
@pytest.mark.usefixtures("tiny_program")
def test_concurrent_builds_share_one_result() -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: build(), range(2))
    assert first == second
    assert subprocess.run([first], capture_output=True, text=True, check=True).stderr == "tiny\n"


@needs_go
def test_changed_sources_are_built_again(tiny_program: Path) -> None:
    first = build()
    (tiny_program / "main.go").write_text('package main\n\nfunc main() { println("other") }\n', encoding="utf-8")
    second = build()
    outputs = [subprocess.run([path], capture_output=True, text=True, check=True).stderr for path in (first, second)]
    assert outputs == ["tiny\n", "other\n"]


@needs_go
def test_a_failed_build_leaves_no_files_and_reports_the_error(tiny_program: Path, tmp_path: Path) -> None:
    (tiny_program / "main.go").write_text("package main\n\nfunc main() { missing() }\n", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="undefined: missing"):
        build()
    assert [path.suffix for path in (tmp_path / "cache" / "async-prime-generator").iterdir()] == [".lock"]


@needs_go
def test_an_old_go_skips_the_test(tiny_program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    (tiny_program / "go.mod").write_text("module tools/jaeger\n\ngo 1.999\n", encoding="utf-8")
    with pytest.raises(pytest.skip.Exception, match=r"jaeger is built from source.*requires go >= 1\.999"):
        build()


@pytest.mark.usefixtures("tiny_program")
def test_a_missing_go_skips_the_test(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="Go is not installed"):
        build()


def test_tested_versions_are_the_deployed_ones() -> None:
    """The versions in programs/ equal those of the images."""
    deployed = {
        name: re.findall(r":v?([\d.]+)\}$", SERVICES[name]["image"])[0]
        for name in ("otel-collector", "victoria-metrics", "vmalert", "jaeger")
    }
    victoria = required("victoria-metrics", "github.com/VictoriaMetrics/VictoriaMetrics")
    assert victoria == deployed["victoria-metrics"] == deployed["vmalert"]
    assert required("jaeger", "github.com/jaegertracing/jaeger") == JAEGER_MODULES[deployed["jaeger"]]
    manifest = yaml.safe_load((binaries.PROGRAMS / "collector/manifest.yaml").read_text(encoding="utf-8"))
    kinds = ("receivers", "processors", "exporters", "extensions")
    parts = [part["gomod"].split() for kind in kinds for part in manifest[kind]]
    parts += [["go.opentelemetry.io/collector/cmd/builder", f"v{deployed['otel-collector']}"]]
    for module, version in parts:
        assert version == f"v{deployed['otel-collector']}", module
        assert required("collector", module) == deployed["otel-collector"]


def required(folder: str, module: str) -> str:
    """The version of a module in a go.mod."""
    text = (binaries.PROGRAMS / folder / "go.mod").read_text(encoding="utf-8")
    [version] = re.findall(rf"^\t?(?:require )?{re.escape(module)} v([\d.]+)", text, re.MULTILINE)
    return str(version)
