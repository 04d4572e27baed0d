"""Programs from source: built once, by whoever is first, and skipped in plain words where they can't be."""

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

# Jaeger's module has stayed at version 1, and is released as version 2.
JAEGER_MODULES = {"2.13.0": "1.76.0"}

needs_go = pytest.mark.skipif(shutil.which("go") is None, reason="there is no Go on this machine")


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of a few lines in place of theirs, and a cache of its own."""
    source = tmp_path / "programs" / "jaeger"
    source.mkdir(parents=True)
    (source / "go.mod").write_text("module tools/jaeger\n\ngo 1.18\n", encoding="utf-8")
    (source / "main.go").write_text('package main\n\nfunc main() { println("tiny") }\n', encoding="utf-8")
    monkeypatch.setattr(binaries, "PROGRAMS", source.parent)
    monkeypatch.setitem(binaries.PACKAGES, "jaeger", ["."])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    # What a developer may have set for another project.
    monkeypatch.setenv("GOFLAGS", "-mod=mod")
    return source


def build() -> str:
    # Not the one that remembers.
    return binaries.program.__wrapped__("jaeger")


@needs_go
@pytest.mark.usefixtures("tiny")
def test_two_who_build_at_once_share_one_result() -> None:
    with ThreadPoolExecutor() as pool:
        first, second = pool.map(lambda _: build(), range(2))
    assert first == second
    assert subprocess.run([first], capture_output=True, text=True, check=True).stderr == "tiny\n"


@needs_go
def test_other_sources_are_another_program(tiny: Path) -> None:
    first = build()
    (tiny / "main.go").write_text('package main\n\nfunc main() { println("other") }\n', encoding="utf-8")
    second = build()
    said = [subprocess.run([path], capture_output=True, text=True, check=True).stderr for path in (first, second)]
    assert said == ["tiny\n", "other\n"]


@needs_go
def test_a_build_that_fails_leaves_nothing_and_says_why(tiny: Path, tmp_path: Path) -> None:
    (tiny / "main.go").write_text("package main\n\nfunc main() { missing() }\n", encoding="utf-8")
    with pytest.raises(pytest.fail.Exception, match="undefined: missing"):
        build()
    assert [path.suffix for path in (tmp_path / "cache" / "async-prime-generator").iterdir()] == [".lock"]


@needs_go
def test_a_go_that_is_too_old_skips(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOTOOLCHAIN", "local")
    (tiny / "go.mod").write_text("module tools/jaeger\n\ngo 1.999\n", encoding="utf-8")
    with pytest.raises(pytest.skip.Exception, match=r"jaeger is built from source.*requires go >= 1\.999"):
        build()


@pytest.mark.usefixtures("tiny")
def test_no_go_skips(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="there is no Go on this machine"):
        build()


def test_what_is_tested_is_what_is_deployed() -> None:
    """The versions in programs/ are those of the images."""
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
