"""Dockerfile and docker-compose.yml, as far as they can be tested without a container engine.

The content of the image is laid out in a folder, and the commands of image and services run from there.
tests/e2e/engine builds and runs the images.
"""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from tests.test_compose import ONCE, TELEMETRY, interpolated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_settings import BaseSettings


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
    return [name for name, service in SERVICES.items() if service["image"].endswith(":local")]


def ours() -> list[str]:
    """Services that run the image of API and workers."""
    return [name for name in built() if SERVICES[name]["image"] == "primes:local"]


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
    limits = service["deploy"]["resources"]["limits"]
    # The settings of API and workers bound their processes.
    assert limits.keys() == {"memory", "pids"} | (set() if name in {"api", "celery-worker"} else {"cpus"})
    # An engine refuses a limit above its number of processors, which may be one.
    assert float(limits.get("cpus", 0)) <= 1
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
            assert SERVICES[name]["depends_on"]["valkey"] == {"condition": "service_healthy"}


def test_images_are_pinned_by_exact_version() -> None:
    images = dict(argument.split("=", 1) for argument in instructions("ARG") if "=" in argument)
    assert {re.sub(r" AS .*", "", stage).strip("${}") for stage in instructions("FROM")} == images.keys()
    images |= {
        name: re.sub(r"^\$\{\w+:-(.*)\}$", r"\1", service["image"])
        for name, service in SERVICES.items()
        if name not in built()
    }
    assert [name for name, image in images.items() if not VERSION.search(image)] == []


def test_each_image_is_built_once_and_never_pulled() -> None:
    for names in (ours(), [name for name in built() if name not in ours()]):
        builders = [name for name in names if "build" in SERVICES[name]]
        assert len(builders) == 1
        for name in names:
            assert SERVICES[name].get("pull_policy") == (None if name in builders else "never")


@pytest.mark.parametrize(("service", "file"), [("secrets", "Dockerfile"), ("locust", "loadtest/Dockerfile")])
def test_every_build_argument_is_passed_from_the_environment(service: str, file: str) -> None:
    """Docker knows those of a proxy without a declaration."""
    declared = re.findall(r"^ARG (\w+)", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)
    arguments = SERVICES[service]["build"]["args"]
    assert arguments == dict.fromkeys([*declared, "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"])


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
