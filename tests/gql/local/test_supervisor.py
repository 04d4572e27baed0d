"""With small Python programs in place of Valkey, worker and API."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
import pytest

from gql.local.console import Console
from gql.local.errors import LocalRunError
from gql.local.programs import Program
from gql.local.supervisor import Supervisor
from tests.stopwatch import Stopwatch
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

URL = "http://127.0.0.1:1"
STOPS = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('bye')); print('up'); signal.pause()"
IGNORES_SIGTERM = """\
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print('up')
while True: signal.pause()
"""
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {IGNORES_SIGTERM!r}]); {STOPS}"


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    """A file with everything that a console wrote."""
    path = tmp_path / "output"
    path.touch()
    # The whole test run's Valkey and worker are children of this process too.
    before = set(psutil.Process().children(recursive=True))
    yield path
    wait_until(lambda: not children_since(before), explain=lambda: str(children_since(before)))


def children_since(before: set[psutil.Process]) -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True)) - before


def supervise(output: Path, *programs: Program) -> None:
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    console = Console([program.name for program in programs], colour=False, output=file, errors=file)
    try:
        Supervisor(console).run(programs, URL)
    finally:
        console.close()
        os.close(file)


def program(name: str, code: str, missing: Callable[[], str | None], seconds: float = 5) -> Program:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return Program(name, (sys.executable, "-c", code), environment, seconds, missing, ready_seconds=20)


def until_printed(output: Path, text: str) -> Callable[[], str | None]:
    return lambda: None if text in output.read_text() else f"{text} is not printed"


@contextmanager
def meanwhile(output: Path, text: str, action: Callable[[], object]) -> Iterator[None]:
    """Run the block, and the action in another thread once the text is printed."""

    def act() -> None:
        wait_until(lambda: text in output.read_text())
        action()

    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def signalled(output: Path, text: str, number: signal.Signals = signal.SIGTERM) -> AbstractContextManager[None]:
    return meanwhile(output, text, lambda: os.kill(os.getpid(), number))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_programs_start_in_order_and_stop_in_reverse_order(output: Path, number: signal.Signals) -> None:
    first = program("one", STOPS, until_printed(output, "one   | up"))
    second = program("three", STOPS, until_printed(output, "three | up"))
    with signalled(output, "Ready", number):
        supervise(output, first, second)
    assert output.read_text().splitlines() == [
        "run   | starting one",
        "one   | up",
        "run   | starting three",
        "three | up",
        f"Ready: {URL}",
        "run   | stopping three, one",
        "three | bye",
        "one   | bye",
        "run   | stopped",
    ]


def test_a_program_that_exits_stops_the_others_and_is_named_with_its_last_output(output: Path) -> None:
    first = program("one", STOPS, until_printed(output, "one | up"))
    second = program("two", "import sys; print('no money'); sys.exit(3)", until_printed(output, "never"))
    with pytest.raises(LocalRunError) as error:
        supervise(output, first, second)
    assert str(error.value) == "two exited with code 3; last output:\n  no money"
    assert "one | bye" in output.read_text()
    assert "Ready" not in output.read_text()


def test_a_program_that_is_killed_is_named_with_the_signal(output: Path) -> None:
    only = program("one", f"import os; print('id', os.getpid()); {STOPS}", until_printed(output, "up"))

    def kill() -> None:
        os.kill(int(output.read_text().split("id ")[1].split()[0]), signal.SIGKILL)

    with meanwhile(output, "Ready", kill), pytest.raises(LocalRunError, match="one was killed by SIGKILL"):
        supervise(output, only)


def test_a_program_that_ignores_sigterm_is_killed_in_time(output: Path) -> None:
    stubborn = program("one", IGNORES_SIGTERM, until_printed(output, "up"), seconds=0.5)
    watches: list[Stopwatch] = []

    def terminate() -> None:
        watches.append(Stopwatch(threading.main_thread().native_id or 0))
        os.kill(os.getpid(), signal.SIGTERM)

    with meanwhile(output, "Ready", terminate):
        supervise(output, stubborn)
    assert watches[0].stop().seconds < 3
    assert "one did not stop in time: killed" in output.read_text()


def test_the_children_of_a_program_are_killed_with_it(output: Path) -> None:
    only = program("one", PARENT, until_printed(output, "one | up\none | up"))
    before = set(psutil.Process().children(recursive=True))
    family: set[psutil.Process] = set()

    def terminate() -> None:
        family.update(children_since(before))
        os.kill(os.getpid(), signal.SIGTERM)

    with meanwhile(output, "Ready", terminate):
        supervise(output, only)
    assert len(family) == 3, "guardian, program and its child"
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_further_signals_do_not_interrupt_the_stop(output: Path) -> None:
    slow = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: (time.sleep(1), sys.exit('bye'))); "
    only = program("one", f"{slow} print('up'); signal.pause()", until_printed(output, "up"))

    def interrupt() -> None:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGINT)

    with signalled(output, "Ready"), meanwhile(output, "stopping", interrupt):
        supervise(output, only)
    assert output.read_text().endswith("one | bye\nrun | stopped\n")


def test_a_signal_before_all_programs_are_ready_stops_those_that_were_started(output: Path) -> None:
    only = program("one", STOPS, until_printed(output, "never"))
    with signalled(output, "up"):
        supervise(output, only)
    assert "one | bye" in output.read_text()
    assert "Ready" not in output.read_text()


def test_a_program_that_is_not_ready_in_time_stops_the_run(output: Path) -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    only = Program("one", (sys.executable, "-c", STOPS), environment, 5, lambda: "no answer", ready_seconds=0)
    with pytest.raises(LocalRunError, match=r"^not ready within 0 s: no answer"):
        supervise(output, only)


def test_a_program_that_does_not_exist_is_named(output: Path) -> None:
    missing = Program("one", ("/no/such/program",), {}, 1)
    with pytest.raises(LocalRunError, match=r"one cannot be started: .*no/such/program"):
        supervise(output, missing)


def test_bytes_that_are_not_utf_8_are_replaced_and_long_lines_split(output: Path) -> None:
    code = "import sys; sys.stdout.buffer.write(b'a\\xffb\\r\\n' + b'x' * 40_000 + b'\\n'); sys.exit(1)"
    with pytest.raises(LocalRunError):
        supervise(output, program("one", code, until_printed(output, "never")))
    lines = [line.removeprefix("one | ") for line in output.read_text().splitlines() if line.startswith("one")]
    assert lines[0] == "a\ufffdb"
    assert [len(line) for line in lines[1:]] == [16_384, 16_384, 7_232]
