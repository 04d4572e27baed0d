"""`python -m gql.local` as a user runs it: a process tree of Valkey, worker and API."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest

from tests.programs import ROOT, Program, free_port, start
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

COMMAND = [sys.executable, "-m", "gql.local"]
READY_SECONDS = 60


@contextmanager
def local_run(folder: Path, port: int, data: str = "data", **environment: str) -> Iterator[Program]:
    """A run that has printed Ready, until the test or the end of the block stops it."""
    settings = {"PORT": str(port), "DATA_DIR": str(folder / data), "WORKERS": "1"} | environment
    program = start(COMMAND, folder / "log", settings)
    try:
        wait_until(lambda: f"Ready: {url(port)}\n" in program.output(), READY_SECONDS, program.output)
        yield program
    finally:
        if program.process.poll() is None:
            program.stop()


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def descendants(program: Program) -> list[psutil.Process]:
    return psutil.Process(program.process.pid).children(recursive=True)


def child_named(program: Program, word: str) -> psutil.Process:
    """The child whose command has this word."""
    children = psutil.Process(program.process.pid).children()
    # Valkey's command is one text, with its address.
    words = {child: " ".join(child.cmdline()).split() for child in children}
    return next(child for child in children if word in [Path(part).name for part in words[child]])


def still_running(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def submit(port: int) -> str:
    request_id: str = httpx.post(f"{url(port)}/generate?n=10").raise_for_status().json()["request_id"]
    return request_id


def status(port: int, request_id: str) -> dict[str, Any]:
    response: dict[str, Any] = httpx.get(f"{url(port)}/status/{request_id}").raise_for_status().json()
    return response


def is_complete(port: int, request_id: str) -> Callable[[], bool]:
    return lambda: status(port, request_id)["status"] == "complete"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_stops_gracefully_and_keeps_its_jobs(tmp_path: Path, number: signal.Signals) -> None:
    port = free_port()
    with local_run(tmp_path, port) as program:
        request_id = submit(port)
        wait_until(is_complete(port, request_id))
        processes = descendants(program)
        program.send(number)
        assert program.wait() == 0, program.output()
        assert not still_running(processes)
        assert "killed" not in program.output()
    with local_run(tmp_path, port):
        assert status(port, request_id) == {"status": "complete", "result": [2, 3, 5, 7, 11, 13, 17, 19, 23, 29]}


def test_two_runs_need_two_data_folders(tmp_path: Path) -> None:
    ports = (free_port(), free_port())
    with local_run(tmp_path, ports[0], "one"), local_run(tmp_path, ports[1], "two"):
        request_id = submit(ports[0])
        wait_until(is_complete(ports[0], request_id))
        assert httpx.get(f"{url(ports[1])}/status/{request_id}").status_code == 404
        third = start(COMMAND, tmp_path / "log", {"PORT": str(free_port()), "DATA_DIR": str(tmp_path / "one")})
        assert third.wait() == 1
        assert "is in use by process" in third.output()
        assert len(third.output().splitlines()) == 1


@pytest.mark.parametrize(("word", "name"), [("celery", "worker"), ("gql", "api"), ("valkey-server", "valkey")])
def test_killed_program_stops_the_run_and_is_named(tmp_path: Path, word: str, name: str) -> None:
    with local_run(tmp_path, free_port()) as program:
        processes = descendants(program)
        child_named(program, word).kill()
        assert program.wait() == 1
        assert f"error: {name} was killed by SIGKILL" in program.output()
        assert not still_running(processes)


def test_programs_of_a_killed_run_stop_and_release_the_data_folder(tmp_path: Path) -> None:
    port = free_port()
    with local_run(tmp_path, port) as program:
        request_id = submit(port)
        wait_until(is_complete(port, request_id))
        processes = descendants(program)
        program.process.kill()
        wait_until(lambda: not still_running(processes), explain=lambda: str(still_running(processes)))
    with local_run(tmp_path, port):
        assert status(port, request_id)["status"] == "complete"


def test_unread_output_does_not_block_the_shutdown(tmp_path: Path) -> None:
    port = free_port()
    environment = os.environ | {"PORT": str(port), "DATA_DIR": str(tmp_path), "WORKERS": "1"}
    with subprocess.Popen(COMMAND, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as run:
        assert run.stdout is not None
        while b"Ready" not in run.stdout.readline():
            assert run.poll() is None
        with httpx.Client() as client:
            for _ in range(1_500):
                client.get(f"{url(port)}/livez")
        run.send_signal(signal.SIGTERM)
        assert run.wait(10) == 0


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
def test_ctrl_c_in_the_terminal_of_make_run_exits_with_0(tmp_path: Path) -> None:
    """Runs a copy of the recipe without the installation: the same make, terminal and process group."""
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"run:\n\t@exec {' '.join(COMMAND)}\n")
    environment = {"PORT": str(free_port()), "DATA_DIR": str(tmp_path / "data"), "WORKERS": "1"}
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe("make", ["make", "-f", str(makefile), "run"], os.environ | environment)  # noqa: S606 - make, with a terminal
    printed = b""
    while b"Ready" not in printed:
        printed += os.read(terminal, 65_536)
    started_at = time.monotonic()
    os.write(terminal, b"\x03")
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0:
        assert time.monotonic() < started_at + 10
        printed += _read_available(terminal)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(ended[1]) == 0, printed
    assert b"***" not in printed


def _read_available(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other end was closed
        return b""
