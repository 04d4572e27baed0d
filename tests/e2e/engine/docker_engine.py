"""A Docker engine for the tests alone: own data, socket and processes, removed without a trace when the block ends.

It shares the network of the machine, to publish ports, so its bridges and iptables rules are removed one by one.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.e2e.cache import cache_folder, exclusive_lock
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAMS = ("dockerd", "docker", "iptables", "ip", "unshare", "debootstrap")
# Beside the usual ones: daemons are not on the path of every shell.
_FOLDERS = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_NETWORK_INTERFACES = Path("/sys/class/net")
_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
_TABLES = ("filter", "nat")
# Images, containers and volumes take 3 GB.
_DATA_BYTES = 6 * 2**30
_START_SECONDS = 60
_STOP_SECONDS = 60
# For one command; building the images on a busy machine takes the longest.
_COMMAND_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine. `folder` is its own: files in it are removed with it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """For clients of this engine: nothing of the project is inherited, such as the settings of other tests."""
        inherited = {"HOME", "PIP_INDEX_URL", "NPM_CONFIG_REGISTRY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"}
        return {name: value for name, value in os.environ.items() if name in inherited} | {
            "PATH": _path(),
            "DOCKER_HOST": f"unix://{self.folder}/socket",
            "DOCKER_CONFIG": f"{self.folder}/client",
        }

    def docker(self, *arguments: str) -> str:
        """The output of a command of the client. Fails with its errors."""
        return self.run("docker", *arguments)

    def run(self, *command: str, folder: Path | None = None, **environment: str) -> str:
        """The output of a command. Fails with its errors."""
        done = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_COMMAND_SECONDS,
        )
        assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done.stdout


@contextmanager
def docker_engine() -> Iterator[Engine]:
    """A running engine. Skips the test on a machine that can't have one, with the reason."""
    _skip_unless_possible()
    with ExitStack() as stack:
        # One at a time on this machine: engines would remove each other's rules.
        stack.enter_context(exclusive_lock(cache_folder() / "engine"))
        if "docker0" in _interfaces() or any("DOCKER" in rule for table in _TABLES for rule in _rules(table)):
            pytest.skip("another Docker engine runs on this machine: a second one would change its iptables rules")
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True)))
        stack.enter_context(_restored_network())
        engine = Engine(folder)
        stack.enter_context(_running(engine))
        yield engine


def _skip_unless_possible() -> None:
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can start a Docker engine, on Linux")
    for program in _PROGRAMS:
        if shutil.which(program, path=_path()) is None:
            pytest.skip(f"a Docker engine of the tests needs {program}, which is not installed")
    if subprocess.run(["docker", "compose", "version"], capture_output=True, check=False).returncode:
        pytest.skip("Docker Compose is not installed")
    try:
        _rules("nat")
    except subprocess.CalledProcessError as error:
        pytest.skip(f"iptables can't be used on this machine: {error.stderr.strip()}")


@contextmanager
def _running(engine: Engine) -> Iterator[None]:
    """The engine's process. Its mounts are in a separate namespace, and end with it."""
    folder, log = engine.folder, engine.folder / "log"
    for name in ("client", "data"):
        (folder / name).mkdir()
    # In memory: building and removing images takes a third of the time.
    in_memory = psutil.virtual_memory().available > 2 * _DATA_BYTES
    mount = f"mount -t tmpfs -o size={_DATA_BYTES} engine {folder}/data" if in_memory else "true"
    with log.open("wb") as output:
        daemon = subprocess.Popen(
            [
                *("unshare", "--mount", "--propagation", "private", "sh", "-c", f'{mount} && exec "$@"', "sh"),
                *("dockerd", "--log-level", "warn", "--host", f"unix://{folder}/socket", "--pidfile", f"{folder}/pid"),
                *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"),
            ],
            env=os.environ | {"PATH": _path()},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: daemon.poll() is not None or _responds(engine), _START_SECONDS, log.read_text)
        if daemon.poll() is not None:
            pytest.skip(f"no Docker engine starts on this machine: {log.read_text().strip().splitlines()[-1]}")
        yield
    finally:
        if daemon.poll() is None:
            # Not by its signal alone: containers that restart would be started again by its shutdown.
            for container in engine.docker("ps", "--all", "--quiet").split():
                engine.docker("rm", "--force", "--volumes", container)
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(_STOP_SECONDS)
        finally:
            # With containerd, which the engine starts and ends.
            if daemon.poll() is None:
                os.killpg(daemon.pid, signal.SIGKILL)


def _responds(engine: Engine) -> bool:
    command = ["docker", "info", "--format", "{{.ServerVersion}}"]
    return subprocess.run(command, env=engine.environment, capture_output=True, check=False).returncode == 0


@contextmanager
def _restored_network() -> Iterator[None]:
    """Removes what engines add to the machine's network: rules, chains, bridges, forwarding."""
    interfaces, forwarding = _interfaces(), _FORWARDING.read_text(encoding="ascii")
    rules = {table: _rules(table) for table in _TABLES}
    try:
        yield
    finally:
        for name in _interfaces() - interfaces:
            subprocess.run(["ip", "link", "delete", name], check=True)
        for table in _TABLES:
            added = [rule.split() for rule in _rules(table) if rule not in rules[table]]
            chains = [rule[1] for rule in added if rule[0] == "-N"]
            for rule in (rule for rule in added if rule[0] == "-A"):
                _iptables(table, "-D", *rule[1:])
            for chain in chains:
                _iptables(table, "-X", chain)
            for rule in (rule.split() for rule in rules[table] if rule.startswith("-P")):
                _iptables(table, *rule)
        _FORWARDING.write_text(forwarding, encoding="ascii")


def _interfaces() -> set[str]:
    return {path.name for path in _NETWORK_INTERFACES.iterdir()}


def _rules(table: str) -> list[str]:
    return _iptables(table, "-S").splitlines()


def _iptables(table: str, *arguments: str) -> str:
    command = ["iptables", "--wait", "--table", table, *arguments]
    return subprocess.run(command, env={"PATH": _path()}, capture_output=True, text=True, check=True).stdout


def _path() -> str:
    return os.pathsep.join([os.environ["PATH"], *_FOLDERS])
