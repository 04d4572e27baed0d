"""The project's docker-compose.yml as a user runs it: from a fresh clone, on an engine of the tests."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import httpx

from tests.programs import ROOT, free_port
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.e2e.engine.docker_engine import Engine

_PORTS = ("PORT", "GRAFANA_PORT", "METRICS_PORT", "TRACES_PORT", "LOCUST_PORT", "OTLP_PORT")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a container ended."""

    exit_code: int
    finished: datetime


@dataclass(frozen=True)
class Project:
    """The services of one profile. `folder` is the clone."""

    engine: Engine
    folder: Path
    profile: str
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in _PORTS})

    @cached_property
    def environment(self) -> dict[str, str]:
        return {"COMPOSE_PROFILES": self.profile} | {name: str(port) for name, port in self.ports.items()}

    @property
    def url(self) -> str:
        return self.address("PORT")

    def address(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def compose(self, *arguments: str, **environment: str) -> str:
        """The output of `docker compose`."""
        whole = self.environment | environment
        return self.engine.run("docker", "compose", *arguments, folder=self.folder, **whole)

    def up(self, *arguments: str, **environment: str) -> None:
        """Start everything in the background."""
        self.compose("up", "--detach", *arguments, **environment)

    def build(self) -> str:
        """The output of the build, by step."""
        command = ("sh", "-c", "exec docker compose build 2>&1")
        return self.engine.run(*command, folder=self.folder, **self.environment)

    def execute(self, service: str, *command: str) -> str:
        """The output of a command in a container."""
        return self.compose("exec", "--no-TTY", service, *command)

    def services(self) -> dict[str, str]:
        """The health of each service's container, or its state if it has no health check."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        return {found["Service"]: found["Health"] or found["State"] for found in map(json.loads, lines)}

    def state(self, service: str) -> dict[str, Any]:
        """The state of a container, as the engine reports it."""
        container = self.compose("ps", "--all", "--quiet", service).strip()
        found: dict[str, Any] = json.loads(self.engine.docker("inspect", "--format", "{{json .State}}", container))
        return found

    def kill(self, service: str) -> None:
        """Kill the container's first process, as the kernel does when memory runs out."""
        os.kill(self.state(service)["Pid"], signal.SIGKILL)

    def ended(self, services: Sequence[str]) -> dict[str, Ended]:
        """How the containers of a stopped system ended."""
        states = {service: self.state(service) for service in services}
        return {
            service: Ended(state["ExitCode"], datetime.fromisoformat(state["FinishedAt"]))
            for service, state in states.items()
        }

    def submit(self, count: int) -> str:
        """Submit a job until it is accepted, which fails while a service restarts. Returns its id."""
        accepted: list[str] = []

        def is_accepted() -> bool:
            try:
                response = httpx.post(f"{self.url}/generate", params={"n": count}, timeout=10)
            except httpx.TransportError:
                return False
            if response.is_success:
                accepted.append(response.json()["request_id"])
            return response.is_success

        wait_until(is_accepted, 60)
        return accepted[0]

    def cancel(self, request_id: str) -> None:
        """End a job that would keep the worker busy."""
        query = "mutation($id: ID!) { cancelJob(id: $id) { ... on CancelJobAccepted { job { status } } } }"
        body = {"query": query, "variables": {"id": request_id}}
        data = httpx.post(f"{self.url}/graphql", json=body, timeout=10).json()["data"]
        assert data["cancelJob"] == {"job": {"status": "CANCELLED"}}

    def result(self, request_id: str) -> dict[str, Any]:
        """The status of a job when it is final, also if services restart meanwhile."""
        found: list[dict[str, Any]] = []

        def is_final() -> bool:
            try:
                response = httpx.get(f"{self.url}/status/{request_id}", headers={"Prefer": "wait=10"}, timeout=20)
            except httpx.TransportError:
                return False
            if response.is_success and response.json()["status"] != "pending":
                found.append(response.json())
            return bool(found)

        wait_until(is_final, 120)
        return found[0]


@contextmanager
def compose_project(engine: Engine, folder: Path, profile: str) -> Iterator[Project]:
    """A clone with all services running. Afterwards, `down --volumes` leaves nothing but images."""
    _clone(folder)
    if profile == "full":
        # As documented for such a clone: the services that observe read files that are mounted.
        engine.run("chmod", "-R", "go+rX", "observability", folder=folder)
    project = Project(engine, folder, profile)
    try:
        try:
            project.up("--build", "--wait")
        except AssertionError as error:
            error.add_note(project.compose("logs", "--tail", "30"))
            raise
        yield project
    finally:
        project.compose("down", "--volumes")
    assert engine.docker("ps", "--all", "--quiet") == ""
    assert engine.docker("volume", "ls", "--quiet") == ""
    assert engine.docker("network", "ls", "--quiet", "--filter", "type=custom") == ""


def _clone(folder: Path) -> None:
    """The files of the repository with the modes that they have after a clone under `umask 077`."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)
            target.chmod((ROOT / name).stat().st_mode & 0o700)
    for path in folder.rglob("*/"):
        path.chmod(0o700)
