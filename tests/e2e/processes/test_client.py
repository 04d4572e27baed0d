"""The command-line client as a program: pipes, terminals, and a server that restarts."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

from tests import programs
from tests.programs import ROOT
from tests.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey


def test_server_restart_is_survived(valkey: Valkey, prefix: str, tmp_path: Path) -> None:
    with (
        programs.worker(tmp_path, valkey.url, prefix, 1),
        programs.api(tmp_path, valkey.url, prefix) as (url, api),
    ):
        port = int(url.rpartition(":")[2])
        arguments = [str(4 * 2**20), "--start", str(10**15), "--output", str(tmp_path / "primes.parquet")]
        client = subprocess.Popen(
            [sys.executable, "-m", "gql.client", "--url", url, *arguments],
            cwd=ROOT,
            env=os.environ | {"TERM": "dumb"},
            stdout=subprocess.PIPE,
            text=True,
        )
        wait_until(lambda: "POST /graphql" in api.output())
        api.kill()
        with programs.api(tmp_path, valkey.url, prefix, port=port):
            stdout, _ = client.communicate(timeout=80)
    assert client.returncode == 0
    assert stdout.startswith("4194304 primes from ")


def started(url: str, *arguments: str, output: int = subprocess.PIPE) -> subprocess.Popen[bytes]:
    """The client as a program, with a buffer between it and its standard output."""
    command = [sys.executable, "-m", "gql.client", "--url", url, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.PIPE)


def test_reader_that_closes_the_pipe_ends_the_client_quietly(system: System) -> None:
    """As head does. The primes fill more than the buffer of a pipe."""
    with started(system.url, "20000") as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"2\n"
        client.stdout.close()
        assert client.stderr is not None
        assert (client.wait(60), client.stderr.read()) == (141, b"")


def press_ctrl_c(client: subprocess.Popen[bytes]) -> None:
    """Twice if need be, as a user: Python misses a signal that arrives just before a write that blocks."""
    client.send_signal(signal.SIGINT)
    try:
        client.wait(10)
    except subprocess.TimeoutExpired:
        client.send_signal(signal.SIGINT)


def test_ctrl_c_ends_a_client_whose_reader_is_slow(system: System) -> None:
    with started(system.url, "20000") as client:
        assert client.stdout is not None
        assert client.stdout.readline() == b"2\n"
        press_ctrl_c(client)
        assert client.wait(60) == 130
        assert client.stderr is not None
        assert client.stderr.read() == b"Interrupted.\n"


def test_full_disk_is_an_error(system: System) -> None:
    """Few primes: they are in the buffer of standard output, which Python writes again when it exits."""
    with open("/dev/full", "wb") as full, started(system.url, "10", output=full.fileno()) as client:  # noqa: PTH123 - a device
        assert client.stderr is not None
        assert client.wait(60) == 1
        assert client.stderr.read() == b"error: [Errno 28] No space left on device\n"


def test_progress_is_shown_in_a_terminal(system: System) -> None:
    """Standard error is a terminal, standard output is a pipe."""
    terminal, end = pty.openpty()
    command = [sys.executable, "-m", "gql.client", "--url", system.url, "10"]
    with subprocess.Popen(
        command, cwd=ROOT, env=os.environ | {"TERM": "xterm"}, stdout=subprocess.PIPE, stderr=end
    ) as client:
        os.close(end)
        wait_until(lambda: client.poll() is not None)
        shown = os.read(terminal, 1 << 16)
        os.close(terminal)
        assert client.stdout is not None
        assert client.stdout.read().endswith(b"23\n29\n")
    assert b"10/10" in shown
    assert b"10 primes from 2 to 29" in shown
