"""Installation: environments are built beside the current one, under a lock, and replace it only when complete."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gql.local import environment
from gql.local.environment import ENVIRONMENTS, InstallError, install

if TYPE_CHECKING:
    from collections.abc import Callable

RUN, DEV = "requirements.lock", "requirements-dev.lock"
# Answers like the interpreter of an environment that works.
PYTHON = "#!/bin/sh\n"


class Programs:
    """In place of venv and pip: creates the files of an environment."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails: str | None = None
        self.during_install: Callable[[], object] = lambda: None

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        self.commands.append(command)
        what = next((word for word in ("venv", "pip") if word in command), "check")
        if what == "venv":
            python = Path(command[-1]) / "bin/python"
            python.parent.mkdir(parents=True)
            python.write_text(PYTHON)
        elif what == "pip":
            self.during_install()
        elif not Path(command[0]).exists():
            raise FileNotFoundError(command[0])
        return subprocess.CompletedProcess(command, returncode=int(what == self.fails))

    def built(self) -> int:
        return sum("venv" in command for command in self.commands)


@pytest.fixture
def programs(monkeypatch: pytest.MonkeyPatch) -> Programs:
    programs = Programs()
    monkeypatch.setattr(subprocess, "run", programs.run)
    return programs


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in (RUN, DEV):
        (tmp_path / name).write_text(f"packages of {name}")
    return tmp_path


def environments(root: Path) -> set[Path]:
    return {folder for folder in (root / ENVIRONMENTS).iterdir() if folder.is_dir()}


def current(root: Path) -> Path:
    assert (root / ".venv").is_symlink()
    return (root / ".venv").resolve()


def test_environment_is_built_once(programs: Programs, root: Path) -> None:
    install(root, RUN)
    install(root, RUN)
    assert programs.built() == 1
    assert environments(root) == {current(root)}
    # Independent of the environment and of the current folder.
    assert all(command[1] == "-I" for command in programs.commands)


def test_tools_contain_what_runs(programs: Programs, root: Path) -> None:
    install(root, DEV)
    install(root, RUN)
    assert programs.built() == 1


@pytest.mark.parametrize("fails", ["venv", "pip"])
def test_failed_installation_changes_nothing(programs: Programs, root: Path, fails: str) -> None:
    install(root, RUN)
    before = current(root)
    programs.fails = fails
    for _ in range(2):
        with pytest.raises(InstallError):
            install(root, DEV)
        assert current(root) == before
        assert environments(root) == {before}
    programs.fails = None
    install(root, RUN)
    assert current(root) == before


def test_interrupted_installation_changes_nothing(programs: Programs, root: Path) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    install(root, RUN)
    before = current(root)
    programs.during_install = interrupt
    with pytest.raises(KeyboardInterrupt):
        install(root, DEV)
    assert environments(root) == {current(root)} == {before}


@pytest.mark.usefixtures("programs")
def test_killed_installation_is_repeated(root: Path) -> None:
    killed = root / ENVIRONMENTS / "killed"
    (killed / "bin").mkdir(parents=True)
    (root / ".venv").symlink_to(killed)
    install(root, RUN)
    assert current(root) != killed
    assert environments(root) >= {current(root)}


def test_new_environment_is_complete_before_it_is_used(programs: Programs, root: Path) -> None:
    install(root, RUN)
    before = current(root)
    seen = []
    programs.during_install = lambda: seen.append(current(root))
    (root / RUN).write_text("other packages")
    install(root, RUN)
    assert seen == [before]
    assert current(root) != before
    # A system that runs keeps its packages.
    assert environments(root) == {before, current(root)}


def test_previous_environment_is_used_again(programs: Programs, root: Path) -> None:
    """Back on another branch."""
    install(root, RUN)
    before = current(root)
    (root / RUN).write_text("other packages")
    install(root, RUN)
    (root / RUN).write_text(f"packages of {RUN}")
    install(root, RUN)
    assert current(root) == before
    assert programs.built() == 2


@pytest.mark.usefixtures("programs")
def test_older_environments_are_removed(root: Path) -> None:
    kept = []
    for version in range(4):
        (root / RUN).write_text(f"version {version}")
        install(root, RUN)
        kept.append(current(root))
    assert environments(root) == set(kept[-2:])


@pytest.mark.usefixtures("programs")
def test_environment_without_its_python_is_replaced(root: Path) -> None:
    install(root, RUN)
    before = current(root)
    (before / "bin/python").unlink()
    install(root, RUN)
    assert current(root) != before


@pytest.mark.usefixtures("programs")
def test_folder_of_an_older_version_is_replaced(root: Path) -> None:
    (root / ".venv/bin").mkdir(parents=True)
    install(root, RUN)
    assert len(environments(root) - {current(root)}) == 1
    (root / RUN).write_text("other packages")
    install(root, RUN)
    assert all((folder / "content").exists() for folder in environments(root))


def test_concurrent_installations_build_one_environment(
    programs: Programs, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = threading.Thread(target=install, args=(root, RUN))
    is_waiting = threading.Event()
    print_line = environment._print  # noqa: SLF001 - called when the second one waits

    def noted(line: str) -> None:
        print_line(line)
        if line.startswith("Waiting"):
            is_waiting.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "_print", noted)

        def during() -> None:
            second.start()
            assert is_waiting.wait(10)

        programs.during_install = during
        install(root, RUN)
        second.join(10)
    assert programs.built() == 1
    assert capsys.readouterr().out.splitlines() == [
        f"Installing {RUN} ...",
        "Waiting for another installation ...",
    ]


@pytest.mark.parametrize("is_installed", [True, False])
def test_failure_is_reported_in_one_line(
    programs: Programs,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    is_installed: bool,
) -> None:
    monkeypatch.setattr(environment, "ROOT", root)
    if is_installed:
        assert environment.main([RUN]) == 0
    programs.fails = "pip"
    assert environment.main([DEV]) == 1
    kept = ". The environment in .venv is unchanged" if is_installed else ""
    assert capsys.readouterr().err == f"error: installing {DEV} failed: pip reported an error{kept}.\n"


def test_module_needs_nothing_that_is_installed() -> None:
    """It runs before anything is."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", environment.__file__], capture_output=True, text=True, check=False
    )
    assert "not enough values to unpack" in done.stderr
