"""Packages that can't be had are a failure that says so, soon."""

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
def _closed_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing installed, nothing cached, and nobody listening where the registries should be."""
    registry = f"http://127.0.0.1:{free_port()}/"
    monkeypatch.setattr(installs, "_CACHE", tmp_path / "installed")
    for name in ("npm_config_registry", "UV_DEFAULT_INDEX", "UV_INDEX_URL"):
        monkeypatch.setenv(name, registry)
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")


def test_npm_packages_that_cannot_be_had_fail_with_a_reason(tmp_path: Path) -> None:
    with pytest.raises(
        pytest.fail.Exception, match=r"javascript: npm packages can't be installed:\n(?s:.*)ECONNREFUSED"
    ):
        installs.npm_project(ROOT / "examples/javascript", tmp_path / "project")


def test_python_packages_that_cannot_be_had_fail_with_a_reason() -> None:
    with pytest.raises(pytest.fail.Exception, match=r"requirements-gql\.lock: packages can't be installed:"):
        installs.python_environment(ROOT / "examples/python/requirements-gql.lock")


def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    with pytest.raises(pytest.fail.Exception, match="npm is not on this machine"):
        installs.npm_project(ROOT / "examples/javascript", tmp_path / "project")
