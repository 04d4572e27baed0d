"""README.md: every command in it is run, every answer in it is compared, every setting in it is looked up.

Commands get this run's addresses in place of the usual ports, and this run's job in place of the one that is shown.
`make` and `docker` are not started from within a test: `make`'s targets are looked up, and tests/test_containers.py
looks after the rest.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
from graphql import build_schema, parse, validate

from gql.local.settings import LocalSettings
from gql.settings import ApiSettings
from tasks.settings import JobSettings
from tests import programs
from tests.clients import finished_job
from tests.programs import ROOT, free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo
    from pydantic_settings import BaseSettings

    from tests.conftest import System

README = (ROOT / "README.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8000"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Block(NamedTuple):
    """A fenced block and the text of the one after it, which is its answer if it has one."""

    language: str
    text: str
    answer: str


def fenced() -> list[Block]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    after = [text if language in {"json", ""} else "" for language, text in found[1:]]
    return [Block(language, text, answer) for (language, text), answer in zip(found, [*after, ""], strict=True)]


BLOCKS = fenced()
COMMANDS = [block for block in BLOCKS if block.language == "sh"]
BY_HAND = [block.text for block in COMMANDS if re.search(r"valkey-server|celery|uvicorn", block.text)]
REQUESTS = [block for block in COMMANDS if block.text.startswith("curl ")]
CLIENT = [block.text for block in COMMANDS if "-m gql.client" in block.text]
OPERATIONS = [block for block in BLOCKS if block.language == "graphql"]


def test_there_is_no_command_that_nobody_tries() -> None:
    tried = [*BY_HAND, *CLIENT]
    others = [block.text for block in COMMANDS if block not in REQUESTS and block.text not in tried]
    assert others
    assert all(re.match(r"make [a-z]+$|docker compose up --build$", text) for text in others), others


def test_all_make_targets_exist() -> None:
    targets = re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    code = [*re.findall(r"`([^`\n]+)`", README), *(block.text for block in COMMANDS)]
    lines = [re.search(r"\bmake((?: [A-Z_]+=\S+| [a-z0-9]+)+)", text) for text in code]
    named = {word for line in lines if line for word in line[1].split() if "=" not in word}
    assert {"run", "test", "check", "e2e"} <= named <= set(targets)


# Requests and their answers


@pytest.mark.parametrize("block", OPERATIONS, ids=lambda block: block.text.split()[0])
def test_an_operation_fits_the_schema(block: Block) -> None:
    schema = build_schema((ROOT / "schema/schema.graphql").read_text(encoding="utf-8"))
    assert validate(schema, parse(block.text)) == []


def test_the_mutation_gets_the_answer_that_is_shown(system: System) -> None:
    (mutation,) = [block for block in OPERATIONS if block.text.startswith("mutation")]
    answer = httpx.post(system.graphql, json={"query": mutation.text}, timeout=40).text
    assert with_id_of(mutation.answer, answer) == json.loads(mutation.answer)


def test_the_client_saves_what_it_was_asked_for(system: System, tmp_path: Path) -> None:
    (text,) = CLIENT
    python, *arguments = shlex.split(text)
    assert python == ".venv/bin/python"
    done = subprocess.run(
        [sys.executable, *arguments, "--url", system.url],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["primes.parquet"]


def test_the_subscription_follows_a_job_to_its_end(system: System) -> None:
    (subscription,) = [block for block in OPERATIONS if block.text.startswith("subscription")]
    query = UUID.sub(finished_job(system, 10), subscription.text)
    answer = httpx.post(system.graphql, json={"query": query}, headers={"Accept": "text/event-stream"}, timeout=40)
    events = [json.loads(line) for line in re.findall(r"^data: (\{.*)$", answer.text, re.MULTILINE)]
    last = {"status": "SUCCEEDED", "progress": {"done": 10, "total": 10}}
    assert events[-1] == {"data": {"jobUpdates": {"job": last}}}


@pytest.mark.parametrize("block", REQUESTS, ids=lambda block: re.findall(r"8000(/\w+)", block.text)[0])
def test_a_request_from_the_shell_gets_the_answer_that_is_shown(system: System, block: Block) -> None:
    command = UUID.sub(finished_job(system, 10), block.text.replace(ADDRESS, system.url))
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True).stdout
    assert block.answer, "it has no answer beside it"
    assert with_id_of(block.answer, answer) == parsed(block.answer)


def with_id_of(shown: str, answer: str) -> Any:
    """An answer with the id that is shown in place of its own."""
    known = UUID.search(shown)
    return parsed(UUID.sub(known[0], answer) if known else answer)


def parsed(text: str) -> Any:
    """JSON as what it stands for, other text without white space at the end of lines."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [line.rstrip() for line in text.strip().splitlines()]


# The start by hand


def test_the_three_commands_make_a_system_that_is_ready(tmp_path: Path) -> None:
    store, api = free_port(), free_port()
    changes = {"6379": str(store), "8000": str(api), ".data/by-hand": str(tmp_path / "data")}
    with ExitStack() as stack:
        assert len(BY_HAND) == 3
        for text in BY_HAND:
            command = re.sub("|".join(map(re.escape, changes)), lambda found: changes[found[0]], text)
            stack.enter_context(in_a_terminal(command, tmp_path))
        wait_until(lambda: is_ready(f"http://127.0.0.1:{api}/readyz"), 40)


@contextmanager
def in_a_terminal(command: str, folder: Path) -> Iterator[None]:
    """Run a command as somebody would who has activated the environment and has Valkey, until the block ends."""
    folders = [str(Path(sys.executable).parent), str(Path(programs.valkey_server()).parent), os.environ["PATH"]]
    program = programs.start(["sh", "-c", command], folder, {"PATH": os.pathsep.join(folders)})
    try:
        yield
    finally:
        os.killpg(program.process.pid, signal.SIGTERM)
        program.process.wait(20)


def is_ready(url: str) -> bool:
    try:
        checks: dict[str, dict[str, Any]] = httpx.get(url, timeout=5).json()["checks"]
    except httpx.TransportError:
        return False
    return all(check["ok"] for check in checks.values())


# Settings


def tables() -> list[dict[str, tuple[str, str]]]:
    """The tables of settings: name -> default and meaning."""
    section = README.partition("\n## Configuration\n")[2].partition("\n## ")[0]
    rows = re.compile(r"^\| `([A-Z_]+)` \| (.*?) \| (.*?) \|$", re.MULTILINE)
    return [
        {name: (default.strip(" `"), meaning) for name, default, meaning in rows.findall(table)}
        for table in section.split("| Variable |")[1:]
    ]


@pytest.mark.parametrize(("position", "settings"), list(enumerate([JobSettings, ApiSettings, LocalSettings])))
def test_a_table_has_every_setting_with_its_default(position: int, settings: type[BaseSettings]) -> None:
    table = tables()[position]
    assert list(table) == [name.upper() for name in settings.model_fields]
    for name, field in settings.model_fields.items():
        # One that depends on the machine is told in words.
        if field.default_factory is None:
            assert table[name.upper()][0] == shown(field), name


@pytest.mark.parametrize(("position", "settings"), list(enumerate([JobSettings, ApiSettings])))
def test_a_table_says_what_the_settings_say_of_themselves(position: int, settings: type[BaseSettings]) -> None:
    received = {name: meaning for name, (_, meaning) in tables()[position].items()}
    assert received == {name.upper(): field.description for name, field in settings.model_fields.items()}


def shown(field: FieldInfo) -> str:
    if isinstance(field.default, Path):
        return str(field.default.relative_to(ROOT))
    return "" if field.default is None else str(field.default)


# Links


def test_links_lead_somewhere() -> None:
    headings = re.findall(r"^##+ (.*)$", README, re.MULTILINE)
    anchors = {"#" + re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert links
    for link in links:
        assert link in anchors or (ROOT / link).exists(), link
