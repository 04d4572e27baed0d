"""README.md, SECURITY.md, CHANGELOG.md and docs/: commands run, answers are compared, links and paths are checked.

Commands get this run's addresses in place of the usual ports, and this run's job in place of the documented one.
What can't run within a test is looked up instead: targets of `make`, services of Docker Compose, folders for kubectl.
tests/e2e/compatibility/test_examples.py runs the examples of docs/clients.md, tests/test_containers.py the commands of
images.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import pytest
import yaml
from graphql import build_schema, parse, validate

from gql.local.settings import LocalSettings
from gql.server.settings import ServerSettings
from gql.settings import ApiSettings
from observability.logs import LogSettings
from tasks.settings import JobSettings
from tests.clients import data, finished_job
from tests.programs import ROOT
from tests.test_compose import SERVICES
from tests.test_containers import settings_named

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import System
    from tests.programs import Valkey

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", ROOT / "SECURITY.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
}
ADDRESS = "http://127.0.0.1:8000"
REDIS = "redis://127.0.0.1:6379/0"
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block, and its answer: the text of a block that follows with nothing but a blank line between."""

    page: str
    language: str
    text: str
    answer: str


def fenced(page: str) -> list[Block]:
    found = list(FENCE.finditer(PAGES[page]))
    answers = {
        block.start(): after[2]
        for block, after in pairwise(found)
        if after[1] in {"json", ""} and not PAGES[page][block.end() : after.start()].strip()
    }
    return [Block(page, block[1], block[2], answers.get(block.start(), "")) for block in found]


BLOCKS = [block for page in PAGES for block in fenced(page)]
COMMANDS = [block for block in BLOCKS if block.language == "sh"]
OPERATIONS = [block for block in BLOCKS if block.language == "graphql"]
REQUESTS = [block for block in COMMANDS if block.text.startswith("curl ")]
CLIENT = [block for block in COMMANDS if "-m gql.client" in block.text]
KEYS = [block for block in COMMANDS if "-m gql.keys" in block.text]
BY_HAND = [block for block in COMMANDS if re.search(r"valkey-server|celery|-m gql$", block.text, re.MULTILINE)]
EXAMPLES = [block for block in COMMANDS if "examples/" in block.text]
KUBECTL = [block for block in COMMANDS if block.text.startswith("kubectl ")]
STARTS = [block for block in COMMANDS if re.fullmatch(r"make [a-z]+\n|docker compose up --build\n", block.text)]

TARGETS = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def name(block: Block) -> str:
    """For a request, the page and the path; else the page and the first words."""
    paths = re.findall(r"8000(/[a-z]+)", block.text)
    return f"{block.page}: {paths[0] if paths else ' '.join(block.text.split()[:3])}"


def without_fences(page: str) -> str:
    return FENCE.sub("", PAGES[page])


def code_of(page: str) -> list[str]:
    """Commands and names between backticks, and the text of blocks of commands."""
    commands = [block.text for block in COMMANDS if block.page == page]
    return [*re.findall(r"`([^`\n]+)`", without_fences(page)), *commands]


def test_every_command_is_tested() -> None:
    tested = {*REQUESTS, *CLIENT, *KEYS, *BY_HAND, *EXAMPLES, *KUBECTL, *STARTS}
    assert [block for block in COMMANDS if block not in tested] == []
    assert all((REQUESTS, CLIENT, KEYS, BY_HAND, EXAMPLES, KUBECTL, STARTS))


def test_readme_fits_on_a_few_screens() -> None:
    assert len(PAGES["README.md"].splitlines()) <= 150


# Operations and requests


@pytest.mark.parametrize("block", OPERATIONS, ids=name)
def test_operation_is_valid_against_the_schema(block: Block) -> None:
    schema = build_schema((ROOT / "schema/schema.graphql").read_text(encoding="utf-8"))
    assert validate(schema, parse(block.text)) == []


@pytest.mark.parametrize("block", [block for block in OPERATIONS if block.answer], ids=name)
def test_operation_returns_the_documented_answer(system: System, block: Block) -> None:
    query = UUID.sub(finished_job(system, 10), block.text)
    answer = httpx.post(system.graphql, json={"query": query}, timeout=40).text
    assert with_id_of(block.answer, answer) == json.loads(block.answer)


def test_readme_mutation_submits_a_job(system: System) -> None:
    (mutation,) = [block for block in OPERATIONS if block.page == "README.md" and block.text.startswith("mutation")]
    job = data(system, mutation.text)["generatePrimes"]["job"]
    assert UUID.fullmatch(job["id"])


def test_readme_subscription_follows_a_job_to_its_end(system: System) -> None:
    (subscription,) = [block for block in OPERATIONS if block.text.startswith("subscription")]
    query = UUID.sub(finished_job(system, 10), subscription.text)
    answer = httpx.post(system.graphql, json={"query": query}, headers={"Accept": "text/event-stream"}, timeout=40)
    events = [json.loads(line) for line in re.findall(r"^data: (\{.*)$", answer.text, re.MULTILINE)]
    last = {"status": "SUCCEEDED", "progress": {"done": 10, "total": 10}}
    assert events[-1] == {"data": {"jobUpdates": {"job": last}}}


@pytest.mark.parametrize(
    "block", REQUESTS, ids=lambda block: f"{block.page}{re.findall(r'8000(/[a-z]+)', block.text)[0]}"
)
def test_request_with_curl_returns_the_documented_answer(system: System, block: Block) -> None:
    command = UUID.sub(finished_job(system, 10), block.text.replace(ADDRESS, system.url))
    answer = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=60, check=True).stdout
    assert block.answer, "no answer follows it"
    assert with_id_of(block.answer, answer) == parsed(block.answer)


def with_id_of(documented: str, answer: str) -> Any:
    """An answer, with the documented id in place of the answer's id."""
    known = UUID.search(documented)
    return parsed(UUID.sub(known[0], answer) if known else answer)


def parsed(text: str) -> Any:
    """JSON as a value; other text as lines without trailing white space."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return [line.rstrip() for line in text.strip().splitlines()]


# Programs


def project_program(text: str) -> tuple[list[str], dict[str, str]]:
    """A command line of this project's Python, for this interpreter, and the variables in front of it."""
    words = shlex.split(text)
    variables = dict(word.split("=", 1) for word in words if re.match(r"[A-Z_]+=", word))
    python, *arguments = words[len(variables) :]
    assert python == ".venv/bin/python"
    return [sys.executable, *arguments], variables


@pytest.mark.parametrize("block", CLIENT, ids=name)
def test_client_writes_the_documented_output(system: System, tmp_path: Path, block: Block) -> None:
    client, _, rest = block.text.partition("|")
    command, _ = project_program(client)
    done = subprocess.run(
        ["sh", "-c", f"{shlex.join([*command, '--url', system.url])}{rest and f' | {rest}'}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert [file.name for file in tmp_path.iterdir()] == re.findall(r"--output (\S+)", client)
    if block.answer:
        assert done.stdout == block.answer


def test_keys_are_created_and_listed(valkey: Valkey, prefix: str) -> None:
    output = []
    for block in KEYS:
        command, variables = project_program(block.text)
        assert variables == {"REDIS_URL": REDIS}
        environment = os.environ | {"REDIS_URL": valkey.url, "KEY_PREFIX": prefix}
        done = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=60
        )
        output.append(done.stdout)
    key, listed = output
    assert key.startswith("primes_")
    assert "alice" in listed


# Commands that are only looked up


@pytest.mark.parametrize("page", PAGES)
def test_make_targets_exist(page: str) -> None:
    lines = [re.search(r"\bmake((?: [A-Z_]+=\S+| [a-z0-9]+)+)", text) for text in code_of(page)]
    named = {word for line in lines if line for word in line[1].split() if "=" not in word}
    assert named <= TARGETS


def test_development_page_lists_the_make_targets() -> None:
    listed = set(re.findall(r"`make ([a-z0-9]+)`", PAGES["docs/development.md"]))
    assert listed >= TARGETS - {"help", "explorer", "loadtest"}


def test_make_knows_what_each_target_needs() -> None:
    """A dry run: it fails for a prerequisite that no rule makes."""
    done = subprocess.run(
        ["make", "--dry-run", *sorted(TARGETS)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_compose_services_exist(page: str) -> None:
    commands = [text for text in code_of(page) if "docker compose" in text]
    named = {found for text in commands for found in re.findall(r"--scale ([\w-]+)=|exec ([\w-]+)|ps ([\w-]+)", text)}
    assert {service for found in named for service in found if service} <= SERVICES.keys()


@pytest.mark.parametrize("page", PAGES)
def test_modules_started_with_python_exist(page: str) -> None:
    modules = {found for text in code_of(page) for found in re.findall(r"python -m ([a-z0-9_.]+)", text)} - {"venv"}
    files = {module: ROOT / module.replace(".", "/") for module in modules}
    missing = [
        module
        for module, path in files.items()
        if not path.with_suffix(".py").is_file() and not (path / "__main__.py").is_file()
    ]
    assert missing == []


@pytest.mark.parametrize("block", EXAMPLES, ids=name)
def test_examples_and_their_files_exist(block: Block) -> None:
    """Their commands are those that tests/e2e/compatibility/test_examples.py runs."""
    folder = ROOT
    for line in block.text.splitlines():
        words = shlex.split(line)
        if words[0] == "cd":
            folder = ROOT / words[1]
        files = [word for word in words if re.search(r"\.(mjs|py|sh|lock)$", word)]
        assert [file for file in files if not (folder / file).is_file()] == []
        assert words[0] in {"cd", "npm", "node", "python", "sh", ".venv/bin/pip", ".venv/bin/python"}


@pytest.mark.parametrize("block", KUBECTL, ids=name)
def test_kubectl_commands_name_what_exists(block: Block) -> None:
    words = shlex.split(block.text)
    if "apply" in words:
        assert (ROOT / words[-1] / "kustomization.yaml").is_file()
        return
    api = list(yaml.safe_load_all((ROOT / "deploy/base/api.yaml").read_text(encoding="utf-8")))
    (service,) = [found for found in api if found["kind"] == "Service"]
    namespace = yaml.safe_load((ROOT / "deploy/base/namespace.yaml").read_text(encoding="utf-8"))
    assert words[:3] == ["kubectl", "--namespace", namespace["metadata"]["name"]]
    assert words[3:5] == ["port-forward", f"service/{service['metadata']['name']}"]
    assert int(words[5]) == service["spec"]["ports"][0]["port"]


# Text


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", without_fences(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files_and_headings(page: str) -> None:
    links = re.findall(r"\]\(([^)]+)\)", without_fences(page))
    for link in links:
        path, _, anchor = link.partition("#")
        if path.startswith("https://"):
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.resolve().relative_to(ROOT).as_posix()), link


@pytest.mark.parametrize("page", PAGES)
def test_named_paths_exist(page: str) -> None:
    packages = "gql|schema|tasks|observability|loadtest|examples|tests|docs|deploy"
    paths = re.findall(rf"`((?:{packages})/[\w./-]*)`", without_fences(page))
    assert [path for path in paths if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_named_test_files_exist(page: str) -> None:
    files = re.findall(r"`(test_\w+\.py)`", PAGES[page])
    assert [file for file in files if not list((ROOT / "tests").rglob(file))] == []


@pytest.mark.parametrize("page", PAGES)
def test_named_settings_exist(page: str) -> None:
    """Names with a form that only settings have; others are variables of the compose file."""
    known = settings_named(JobSettings, ApiSettings, ServerSettings, LocalSettings, LogSettings)
    known |= {*re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text(encoding="utf-8"))}
    forms = r"(?:MAX|JWT)_[A-Z_]+", r"TRUSTED_DOCUMENTS\w*", r"(?<!OTEL_)(?<!AWS_)[A-Z_]+_(?:SECONDS|URL|MS)"
    named = re.findall(rf"\b({'|'.join(forms)})\b", PAGES[page])
    assert [setting for setting in named if setting not in known | {"AWS_ENDPOINT_URL", "PIP_INDEX_URL"}] == []


def test_architecture_page_lists_every_folder() -> None:
    folders = {
        f"{path.parent.relative_to(ROOT).as_posix()}/"
        for package in ("gql", "schema", "tasks")
        for path in (ROOT / package).glob("*/__init__.py")
    }
    assert {*re.findall(r"`((?:gql|schema|tasks)/\w+/)`", PAGES["docs/architecture.md"])} == folders


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_every_page_can_be_reached_from_the_readme(page: str) -> None:
    assert f"]({page})" in PAGES["README.md"]


@pytest.mark.parametrize("page", PAGES)
def test_one_sentence_per_line(page: str) -> None:
    prose = [line for line in without_fences(page).splitlines() if not line.startswith("|")]
    assert [line for line in prose if re.search(r"[a-z)`]\. [A-Z`]", line.replace("e.g. ", ""))] == []
