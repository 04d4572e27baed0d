"""With little programs of Python in place of Valkey, worker and API."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gql.local.child import ChildSpec
from gql.local.console import Console
from gql.local.errors import CannotRun
from gql.local.supervisor import Stage, Supervisor
from tests.waiting import eventually, wait_until

URL = "http://127.0.0.1:1"
OBEDIENT = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit('bye')); print('up'); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up')\nwhile True: signal.pause()"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {DEAF!r}]); {OBEDIENT}"


@pytest.fixture
def output(tmp_path: Path) -> Iterator[Path]:
    """A file in which all that a console shows is."""
    path = tmp_path / "output"
    path.touch()
    # The whole run's Valkey and worker are children of ours too.
    before = set(psutil.Process().children(recursive=True))
    yield path
    wait_until(lambda: not children_since(before), explain=lambda: str(children_since(before)))


def children_since(before: set[psutil.Process]) -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True)) - before


async def supervise(output: Path, *stages: Stage) -> None:
    file = os.open(output, os.O_WRONLY | os.O_APPEND)
    names = [spec.name for stage in stages for spec in stage.children]
    console = Console(names, colour=False, output=file, errors=file)
    try:
        await Supervisor(console).run(stages, URL)
    finally:
        console.close()
        os.close(file)


def stage(name: str, program: str, answer: Callable[[], Awaitable[None]], seconds: float = 5) -> Stage:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return Stage((ChildSpec(name, (sys.executable, "-c", program), environment, seconds),), answer)


def shown(output: Path) -> str:
    return output.read_text()


def shows(output: Path, text: str) -> Callable[[], Awaitable[None]]:
    async def seen() -> bool:
        return text in shown(output)

    return lambda: eventually(seen)


async def when_shown(output: Path, text: str, number: signal.Signals) -> None:
    await shows(output, text)()
    os.kill(os.getpid(), number)


async def test_programs_start_in_order_and_end_in_the_opposite_order(output: Path) -> None:
    first = stage("one", OBEDIENT, shows(output, "one   | up"))
    second = stage("three", OBEDIENT, shows(output, "three | up"))
    await asyncio.gather(supervise(output, first, second), when_shown(output, "Ready", signal.SIGTERM))
    assert shown(output).splitlines() == [
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


async def test_a_program_that_ends_by_itself_ends_the_others_and_is_named_with_its_last_words(output: Path) -> None:
    first = stage("one", OBEDIENT, shows(output, "one | up"))
    second = stage("two", "import sys; print('no money'); sys.exit(3)", shows(output, "never"))
    with pytest.raises(CannotRun) as error:
        await supervise(output, first, second)
    assert str(error.value) == "two ended by itself with exit code 3; the last it said:\n  no money"
    assert "one | bye" in shown(output)
    assert "Ready" not in shown(output)


async def test_a_program_that_is_killed_later_is_named_with_the_signal(output: Path) -> None:
    only = stage("one", f"import os; print('id', os.getpid()); {OBEDIENT}", shows(output, "up"))

    async def kill() -> None:
        await shows(output, "Ready")()
        os.kill(int(shown(output).split("id ")[1].split()[0]), signal.SIGKILL)

    with pytest.raises(CannotRun, match="one was killed by SIGKILL"):
        await asyncio.gather(supervise(output, only), kill())


async def test_one_that_does_not_obey_is_killed_in_time(output: Path) -> None:
    deaf = stage("deaf", DEAF, shows(output, "up"), seconds=0.5)
    started = asyncio.create_task(supervise(output, deaf))
    await when_shown(output, "Ready", signal.SIGTERM)
    began = time.monotonic()
    await started
    assert time.monotonic() - began < 3
    assert "deaf did not end within 0.5 s: killed" in shown(output)


async def test_what_a_program_started_ends_with_it(output: Path) -> None:
    program = stage("one", PARENT, shows(output, "one | up\none | up"))
    before = set(psutil.Process().children(recursive=True))
    task = asyncio.create_task(supervise(output, program))
    await shows(output, "Ready")()
    family = children_since(before)
    os.kill(os.getpid(), signal.SIGTERM)
    await task
    assert len(family) == 3, "guardian, program and its own child"
    assert not [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


async def test_a_second_interrupt_kills_at_once(output: Path) -> None:
    task = asyncio.create_task(supervise(output, stage("deaf", DEAF, shows(output, "up"), seconds=60)))
    await when_shown(output, "Ready", signal.SIGINT)
    while not task.done():  # as a person would press it, again and again
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0.2)
    with pytest.raises(CannotRun, match="killed by a second Ctrl-C"):
        await task


async def test_a_signal_before_all_answer_ends_what_was_started(output: Path) -> None:
    only = stage("one", OBEDIENT, shows(output, "never"))
    await asyncio.gather(supervise(output, only), when_shown(output, "up", signal.SIGTERM))
    assert "one | bye" in shown(output)
    assert "Ready" not in shown(output)


async def test_a_program_that_does_not_exist_is_named(output: Path) -> None:
    missing = Stage((ChildSpec("one", ("/no/such/program",), {}, 1),), shows(output, "never"))
    with pytest.raises(CannotRun, match=r"one can't be started: .*no/such/program"):
        await supervise(output, missing)
