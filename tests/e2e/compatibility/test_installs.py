"""A failed installation of packages fails the test quickly and reports the reason."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.compatibility import installs
from tests.programs import ROOT, free_port

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing installed, nothing cached, and registries at a port where nothing listens."""
    registry = f"http://127.0.0.1:{free_port()}/"
    monkeypatch.setattr(installs, "_CACHE", tmp_path / "installed")
    for name in ("npm_config_registry", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.setenv(name, registry)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


def test_unavailable_npm_packages_fail_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(
        pytest.fail.Exception, match=r"javascript: npm packages cannot be installed:\n(?s:.*)ECONNREFUSED"
    ):
        installs.npm_project(ROOT / "examples/javascript", tmp_path / "project")


def test_unavailable_python_packages_fail_with_a_reason() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"requirements-gql\.lock: packages cannot be installed:"):
        installs.python_environment(ROOT / "examples/python/requirements-gql.lock")


def test_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(pytest.fail.Exception, match="npm is missing"):
        installs.npm_project(ROOT / "examples/javascript", tmp_path / "project")
