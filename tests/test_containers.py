"""Dockerfile and docker-compose.yml, as far as they can be tested without a container engine.

The content of the image is laid out in a folder, and the commands of image and services run from there. Building the
image and enforcing its limits need an engine and are not tested.
"""

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
import redis
import yaml

from gql.server.settings import Address, ServerSettings
from gql.settings import ApiSettings
from observability.logs import LogSettings
from tasks import acl
from tasks.settings import JobSettings
from tests import programs
from tests.programs import ROOT, free_port
from tests.test_compose import ANYWHERE, ONCE, TELEMETRY, interpolated
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_settings import BaseSettings

    from tests.conftest import System

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
DOCKERIGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
LOADTEST = (ROOT / "loadtest/Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# Variables of obstore for access to a bucket.
BUCKET = {
    f"AWS_{name}"
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "ENDPOINT_URL", "ALLOW_HTTP")
}
VERSION = re.compile(r":v?\d+\.\d+\.\d+(-|$)")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.*)$", DOCKERFILE, re.MULTILINE)


def built() -> list[str]:
    """Services whose image the project builds."""
    return [name for name, service in SERVICES.items() if "build" in service]


def ours() -> list[str]:
    """Services that run the image of API and workers."""
    return [name for name in built() if SERVICES[name]["build"] == "."]


def settings_named(*classes: type[BaseSettings]) -> set[str]:
    return {field.upper() for settings in classes for field in settings.model_fields}


# Content of the files


def test_ports_are_published_on_the_loopback_address_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert published
    assert all(interpolated(port, {}).startswith("127.0.0.1:") for port in published)


@pytest.mark.parametrize("name", SERVICES)
def test_services_are_hardened(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert "privileged" not in service


@pytest.mark.parametrize("name", SERVICES)
def test_services_restart_and_have_time_to_stop(name: str) -> None:
    assert SERVICES[name]["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > 10


def test_containers_do_not_run_as_root() -> None:
    assert instructions("USER") == ["10001:10001"]
    assert re.findall(r"^USER +(.*)$", LOADTEST, re.MULTILINE) == ["10001:10001"]
    assert not [name for name in built() if "user" in SERVICES[name]]
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", SERVICES["valkey"]["user"])


def test_api_and_workers_wait_for_a_healthy_store() -> None:
    assert "healthcheck" in SERVICES["valkey"]
    for name in ours():
        if name not in ONCE:
            assert SERVICES[name]["depends_on"] == {"valkey": {"condition": "service_healthy"}}


def test_images_are_pinned_by_exact_version() -> None:
    images = dict(argument.split("=", 1) for argument in instructions("ARG") if "=" in argument)
    assert {re.sub(r" AS .*", "", stage).strip("${}") for stage in instructions("FROM")} == images.keys()
    images |= {
        name: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", service["image"])
        for name, service in SERVICES.items()
        if name not in built()
    }
    assert [name for name, image in images.items() if not VERSION.search(image)] == []


def test_both_images_have_the_same_base() -> None:
    [argument] = re.findall(r"^ARG (PYTHON_IMAGE=.*)$", LOADTEST, re.MULTILINE)
    assert argument in instructions("ARG")


def test_every_setting_is_passed_to_the_containers() -> None:
    """A variable that is missing in the file would have no effect, without a message."""
    shared = settings_named(JobSettings, LogSettings) | TELEMETRY | BUCKET
    # The port in the container is fixed; PORT is the published one.
    of_api = settings_named(ApiSettings, ServerSettings) - settings_named(Address)
    assert SERVICES["api"]["environment"].keys() == shared | of_api
    # Read by Celery: how it shuts down.
    assert SERVICES["celery-worker"]["environment"].keys() == shared | {"REMAP_SIGTERM"}


@pytest.mark.parametrize("file", ["Dockerfile", "loadtest/Dockerfile"])
def test_hadolint_reports_nothing(file: str) -> None:
    linter = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([linter, "--no-color", file], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_dockerignore_admits_everything_that_is_copied() -> None:
    admitted = [line[1:] for line in DOCKERIGNORE if line.startswith("!")]
    sources = [part for copy in instructions("COPY") if "--from" not in copy for part in copy.split()[:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(Path(source).is_relative_to(path) for path in admitted), source


# Programs that they start


@contextmanager
def store(folder: Path, secrets: Path) -> Iterator[programs.Valkey]:
    """The job store with the options of the compose file, and users with passwords from a folder."""
    server = programs.Valkey(free_port(), folder)
    options = [
        option.replace("/secrets", str(secrets / "store"))
        for option in [*SERVICES["valkey"]["command"][1:], "--port", str(server.port), "--dir", str(folder)]
    ]
    with programs.running([programs.valkey_server(), *options], folder, server.responds):
        yield server


def test_store_runs_with_the_options_of_the_compose_file(tmp_path: Path) -> None:
    acl.write_credentials(tmp_path, "primegen:")
    password = (tmp_path / "store/admin").read_text(encoding="utf-8")
    with (
        store(tmp_path, tmp_path) as server,
        redis.Redis(port=server.port, username="admin", password=password, decode_responses=True) as client,
    ):
        assert client.config_get("appendonly", "appendfsync", "save", "maxmemory", "maxmemory-policy") == {
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "maxmemory": str(512 * 1024 * 1024),
            "maxmemory-policy": "noeviction",
        }


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
            return process.wait(20) == 0

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
        wait_until(lambda: succeeds(api_check, environment("api")), 30, log.read_text)
        wait_until(lambda: succeeds(worker_check, environment("celery-worker")), 30, log.read_text)
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
        wait_until(lambda: answer("/") is not None, 30, log.read_text)
        healthy = [part.replace("8089", str(web)) for part in SERVICES["locust"]["healthcheck"]["test"][1:]]
        with started(healthy, load_image, environment) as process:
            assert process.wait(20) == 0
        page = answer("/").text
        assert f'"host": "{system.url}"' in page
        assert all(f'"{scenario}"' in page for scenario in ("Light", "Medium", "Stress", "Soak", "Spike"))
        wait_until(lambda: [worker["state"] for worker in statistics()["workers"]] == ["ready"], 30, log.read_text)
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
        process.wait(20)


def log_of(image: Path) -> Path:
    return image.parent / "output.log"
