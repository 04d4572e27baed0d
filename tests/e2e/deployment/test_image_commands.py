"""The commands of images and services, run in a folder with the content of the image."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.programs import ROOT, free_port
from tests.test_compose import ANYWHERE
from tests.test_containers import DOCKERFILE, DOCKERIGNORE, LOADTEST, SERVICES, instructions, store
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import System


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A folder with the source files that the image has in its working directory."""
    root = tmp_path / "app"
    for copy in instructions("COPY"):
        source, target = copy.split()[-2:]
        if source == target and not source.startswith("/"):
            shutil.copytree(ROOT / source, root / target, ignore=ignored)
    return root


def ignored(folder: str, names: list[str]) -> set[str]:
    """Names in a folder of the project that .dockerignore excludes."""
    patterns = [line for line in DOCKERIGNORE if line != "*" and not line.startswith("!")]
    paths = {name: (Path(folder) / name).relative_to(ROOT).as_posix() for name in names}
    return {name for name, path in paths.items() if any(fnmatch(path, pattern) for pattern in patterns)}


def test_commands_of_the_image_make_a_working_system(image: Path, tmp_path: Path) -> None:
    """With the store's users, whose passwords are generated first."""
    port = free_port()
    secrets = tmp_path / "secrets"
    worker = [part.replace("${WORKERS:-2}", "2") for part in SERVICES["celery-worker"]["command"]]
    worker_check = SERVICES["celery-worker"]["healthcheck"]["test"][1:]
    api, api_check = command_of("CMD", port), command_of("HEALTHCHECK .*", port)
    assert f"HOST={ANYWHERE}" in instructions("ENV")
    log = log_of(image)

    def succeeds(command: list[str], environment: dict[str, str]) -> bool:
        with started(command, image, environment) as process:
            return process.wait(60) == 0

    def environment(role: str) -> dict[str, str]:
        url = SERVICES[role]["environment"]["REDIS_URL"].replace("valkey:6379", f"127.0.0.1:{server.port}")
        password = secrets / url.removeprefix("redis://").partition("@")[0] / "password"
        return {"REDIS_URL": url, "REDIS_PASSWORD_FILE": str(password), "HOST": "127.0.0.1", "PORT": str(port)}

    assert succeeds([part.replace("/secrets", str(secrets)) for part in SERVICES["secrets"]["command"]], {})
    with (
        store(tmp_path / "store", secrets) as server,
        started(worker, image, environment("celery-worker")),
        started(api, image, environment("api")),
    ):
        wait_until(lambda: succeeds(api_check, environment("api")), explain=log.read_text)
        wait_until(lambda: succeeds(worker_check, environment("celery-worker")), explain=log.read_text)
        request_id = httpx.post(f"http://127.0.0.1:{port}/generate?n=3").json()["request_id"]
        status = f"http://127.0.0.1:{port}/status/{request_id}"
        found = httpx.get(status, headers={"Prefer": "wait=20"}, timeout=30).json()
    assert found == {"status": "complete", "result": [2, 3, 5]}


@pytest.fixture
def load_image(tmp_path: Path) -> Path:
    """A folder with the files of the load test that its image has."""
    excluded = shutil.ignore_patterns(*(ROOT / "loadtest/.dockerignore").read_text().replace("**/", "").split())
    shutil.copytree(ROOT / "loadtest", tmp_path / "app/loadtest", ignore=excluded)
    return tmp_path / "app"


def test_commands_of_the_load_test_generate_and_report_load(load_image: Path, system: System) -> None:
    """Like a user: open the page, choose a scenario, start it, check that it runs, stop it."""
    web, reports = free_port(), str(free_port())
    replacements = {"http://api:8000": system.url, "locust": "127.0.0.1"}
    [entry] = [json.loads(words) for words in re.findall(r"^ENTRYPOINT +(.*)$", LOADTEST, re.MULTILINE)]
    [file] = re.findall(r"LOCUST_LOCUSTFILE=(\S+)", LOADTEST)
    environment = {"LOCUST_LOCUSTFILE": file}

    def command(service: str, *more: str) -> list[str]:
        flags = (option.partition("=") for option in SERVICES[service]["command"])
        return [*entry, *(name + equals + replacements.get(value, value) for name, equals, value in flags), *more]

    master = command("locust", f"--web-port={web}", f"--master-bind-port={reports}", "--web-host=127.0.0.1")
    worker = command("locust-worker", f"--master-port={reports}")
    log = log_of(load_image)

    def answer(path: str, **form: str) -> Any:
        try:
            address = f"http://127.0.0.1:{web}{path}"
            return (httpx.post(address, data=form) if form else httpx.get(address)).raise_for_status()
        except httpx.TransportError:
            return None

    def statistics() -> dict[str, Any]:
        found: dict[str, Any] = answer("/stats/requests").json()
        return found

    with started(master, load_image, environment), started(worker, load_image, environment):
        wait_until(lambda: answer("/") is not None, explain=log.read_text)
        healthy = [part.replace("8089", str(web)) for part in SERVICES["locust"]["healthcheck"]["test"][1:]]
        with started(healthy, load_image, environment) as process:
            assert process.wait(60) == 0
        page = answer("/").text
        assert f'"host": "{system.url}"' in page
        assert all(f'"{scenario}"' in page for scenario in ("Light", "Medium", "Stress", "Soak", "Spike"))
        wait_until(lambda: [worker["state"] for worker in statistics()["workers"]] == ["ready"], explain=log.read_text)
        answer("/swarm", user_count="3", spawn_rate="3", shape_class="Light", host=system.url)
        # The scenario sets the number of users, not the form.
        wait_until(
            lambda: statistics()["user_count"] == 10 and statistics()["stats"][-1]["num_requests"] > 20,
            40,
            log.read_text,
        )
        assert statistics()["errors"] == []
        answer("/stop", now="yes")


def command_of(instruction: str, port: int) -> list[str]:
    """The words of a command in the Dockerfile, on another port."""
    (words,) = re.findall(rf"^(?:{instruction}) +(?:CMD +)?(\[.*\])$", DOCKERFILE, re.MULTILINE)
    return [word.replace("8000", str(port)) for word in json.loads(words)]


@contextmanager
def started(command: list[str], image: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program in the image's folder, with the installed packages, until the block ends."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    whole = {**os.environ, **environment, "PATH": path, "PYTHONPATH": str(image)}
    with log_of(image).open("ab") as log:
        process = subprocess.Popen(command, cwd=image, env=whole, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def log_of(image: Path) -> Path:
    return image.parent / "output.log"
