"""Installs the packages of a lock file: `python -I gql/local/environment.py requirements.lock`, as the Makefile does.

`.venv` is a symbolic link to an environment in .cache/environments. A new one is built beside it, and the link is
replaced at the end: a failed or interrupted installation changes nothing, and a running system keeps the packages that
it was started with. The previous environment is kept until the next installation. This module imports nothing of the
project, and runs before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
ENVIRONMENTS: Final = Path(".cache/environments")

# A lock file that contains everything of another one, with the same versions.
_CONTAINED: Final = {"requirements-dev.lock": ("requirements.lock",)}

# In each environment, written last: the fingerprints of the lock files that it satisfies.
_CONTENT: Final = "content"


class InstallError(Exception):
    """The packages could not be installed. The programs have printed why."""


def main(arguments: Sequence[str]) -> int:
    """Install the lock file that is named. Returns the exit code."""
    [name] = arguments
    try:
        install(ROOT, name)
    except InstallError as error:
        kept = ". The environment in .venv is unchanged" if (ROOT / ".venv/bin/python").exists() else ""
        sys.stderr.write(f"error: installing {name} failed: {error}{kept}.\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def install(root: Path, name: str) -> None:
    """Point `.venv` to an environment with the packages of the lock file, and build it unless there is one.

    Raises:
        InstallError: an environment could not be built.
    """
    (root / ENVIRONMENTS).mkdir(parents=True, exist_ok=True)
    with _exclusive(root):
        link = root / ".venv"
        current = link.resolve()
        wanted = _fingerprint(root / name)
        if _is_usable(current, wanted):
            return
        others = [folder for folder in (root / ENVIRONMENTS).iterdir() if folder.is_dir() and folder != current]
        folder = next((other for other in others if _is_usable(other, wanted)), None)
        if folder is None:
            folder = _build(root, name)
            _remove(others)
        _switch(link, folder)


@contextmanager
def _exclusive(root: Path) -> Iterator[None]:
    """Wait until no other process installs. The kernel releases the lock of one that was killed."""
    with (root / ENVIRONMENTS / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _print("Waiting for another installation ...")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(lock_file: Path) -> str:
    return hashlib.sha256(lock_file.read_bytes()).hexdigest()


def _is_usable(environment: Path, wanted: str) -> bool:
    try:
        satisfied = (environment / _CONTENT).read_text(encoding="utf-8").split()
    except OSError:
        return False
    # The Python that it was made with may have been removed or replaced by another version.
    return wanted in satisfied and _succeeds(str(environment / "bin/python"), "-c", "import pip")


def _build(root: Path, name: str) -> Path:
    folder = root / ENVIRONMENTS / secrets.token_hex(4)
    _print(f"Installing {name} ...")
    pip = (str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    try:
        _run("the environment could not be created", sys.executable, "-m", "venv", str(folder))
        # --no-user: a user's pip.conf may have the opposite.
        _run("pip reported an error", *pip, "--no-user", "--require-hashes", "-r", str(root / name))
        satisfied = [_fingerprint(root / lock_file) for lock_file in (name, *_CONTAINED.get(name, ()))]
        (folder / _CONTENT).write_text("\n".join(satisfied), encoding="utf-8")
    except BaseException:
        _remove([folder])
        raise
    return folder


def _switch(link: Path, folder: Path) -> None:
    """Replace the link in one step."""
    if link.is_dir() and not link.is_symlink():
        # Made by an older version of the Makefile, or by hand: from now on, the previous environment.
        link.rename(folder.with_name(secrets.token_hex(4)))
    new = link.with_name(".venv.new")
    new.unlink(missing_ok=True)
    new.symlink_to(os.path.relpath(folder, link.parent))
    new.replace(link)


def _remove(folders: Sequence[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _run(error: str, *command: str) -> None:
    if subprocess.run(_isolated(command), stdin=subprocess.DEVNULL, check=False).returncode:  # noqa: S603 - written here
        raise InstallError(error)


def _succeeds(*command: str) -> bool:
    try:
        return subprocess.run(_isolated(command), capture_output=True, check=False).returncode == 0  # noqa: S603 - as above
    except OSError:
        return False


def _isolated(command: Sequence[str]) -> list[str]:
    """The command of an interpreter, which then ignores PYTHON* variables, the current folder and user packages."""
    python, *arguments = command
    return [python, "-I", *arguments]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
