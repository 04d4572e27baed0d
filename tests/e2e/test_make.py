"""The Makefile with real venv and pip, in a folder with stubs of the programs that it starts and without packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.programs import ROOT

if TYPE_CHECKING:
    from pathlib import Path

# An environment takes four seconds of processor time.
pytestmark = [pytest.mark.skipif(shutil.which("make") is None, reason="needs make"), pytest.mark.timeout(300)]

# Each one alone broke the installation or the programs, or would put packages elsewhere.
HOSTILE = {
    "PIP_USER": "1", "PIP_TARGET": "/nowhere", "PIP_PREFIX": "/nowhere", "PIP_ROOT": "/nowhere", "PIP_NO_DEPS": "1",
    "PIP_DRY_RUN": "1", "PIP_NO_BINARY": ":all:", "PIP_CONSTRAINT": "/nowhere", "PIP_REQUIREMENT": "/nowhere",
    "PIP_PYTHON": "/nowhere", "PIP_REQUIRE_VIRTUALENV": "1", "PYTHONSAFEPATH": "1", "PYTHONHOME": "/nowhere",
    "PYTHONPATH": "/nowhere", "PYTHONPLATLIBDIR": "nowhere", "PYTHONOPTIMIZE": "2", "PYTHONINSPECT": "1",
    "PYTHONWARNINGS": "error", "PYTHONUSERBASE": "/nowhere", "PYTHONDONTWRITEBYTECODE": "1",
}  # fmt: skip


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the Makefile, locks without packages, and programs that print what they were started with."""
    for name in ("Makefile", "gql/local/environment.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("requirements.lock", "requirements-dev.lock"):
        (tmp_path / name).write_text("", encoding="utf-8")
    programs = {
        "gql/local/__main__.py": "import os, sys; print('started by', sys.prefix, sys.flags.optimize)",
        "gql/explorer/build.py": "",
        "loadtest/__main__.py": "print('load test')",
    }
    for name, text in programs.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def start(clone: Path, target: str, **variables: str) -> subprocess.Popen[str]:
    # Those of the make that runs the tests are left out: it would be the parent of this one, which says so.
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL", "MFLAGS"}}
    environment = inherited | {"HOME": str(clone)} | variables
    command = ["make", f"PYTHON={sys.executable}", target]
    output = subprocess.PIPE
    return subprocess.Popen(command, cwd=clone, env=environment, text=True, stdout=output, stderr=output)


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    output, errors = process.communicate(timeout=120)
    return process.returncode, output, errors


def test_installation_ignores_variables_that_change_it(clone: Path) -> None:
    """As does a user's pip.conf; variables for the network are used."""
    (clone / ".pip").mkdir()
    (clone / ".pip/pip.conf").write_text("[install]\nuser = true\n", encoding="utf-8")
    code, output, errors = ended(start(clone, "run", **HOSTILE))
    assert (code, errors) == (0, "")
    installed = (clone / ".venv").resolve()
    assert installed.is_relative_to(clone / ".cache/environments")
    assert output.splitlines() == ["Installing requirements.lock ...", f"started by {installed} 0"]


def test_two_runs_on_a_fresh_clone_install_once(clone: Path) -> None:
    results = [ended(run) for run in [start(clone, "run"), start(clone, "run")]]
    assert [(code, errors) for code, _, errors in results] == [(0, "")] * 2
    assert sum("Installing" in output for _, output, _ in results) == 1
    assert all(f"started by {(clone / '.venv').resolve()}" in output for _, output, _ in results)


def test_failed_installation_of_tools_keeps_what_runs(clone: Path) -> None:
    """The hash is of nothing: no index has such a package."""
    (clone / "requirements-dev.lock").write_text(f"missing==1.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    assert ended(start(clone, "run"))[0] == 0
    before = (clone / ".venv").resolve()
    for _ in range(2):
        code, output, errors = ended(start(clone, "loadtest", PIP_NO_INDEX="1"))
        assert code != 0
        assert "load test" not in output
        assert "The environment in .venv is unchanged" in errors
        assert (clone / ".venv").resolve() == before
    code, output, _ = ended(start(clone, "run", PIP_NO_INDEX="1"))
    assert (code, output) == (0, f"started by {before} 0\n")
