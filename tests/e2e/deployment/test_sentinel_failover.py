"""Failover of the store in deploy/sentinel, with its programs started as its pods start them.

Three loopback addresses replace the three pods, so that all can listen on the same port.
"""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
import redis

from tests import programs
from tests.programs import free_port
from tests.test_deploy import DEPLOY
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.programs import Program

PODS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
PASSWORD = "let7ers4nd0digits"  # noqa: S105 - of servers that only run during the test


class Pods:
    """The pods of the store by address. Clients connect through a proxy."""

    def __init__(self, folder: Path, port: int, sentinel_port: int, proxy_port: int) -> None:
        self.folder = folder
        self.port = port
        self.sentinel_port = sentinel_port
        self.proxy_port = proxy_port
        self.running: dict[str, list[Program]] = {}

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.proxy_port}/0"

    def start(self, address: str) -> None:
        """Start its two containers with the data of its last run."""
        folder = self.folder / address
        for name in ("data", "scratch"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        environment = {
            "PATH": f"{self.folder}{os.pathsep}{os.environ['PATH']}",
            "ME": address,
            "FIRST": PODS[0],
            "PORT": str(self.port),
            # In a cluster, one DNS name resolves to all running pods.
            "SENTINELS": next(iter(self.running), address),
            "SENTINEL_PORT": str(self.sentinel_port),
            "DATA": str(folder / "data"),
            "SCRATCH": str(folder / "scratch"),
            "PASSWORD": PASSWORD,
        }
        scripts = (DEPLOY / "sentinel/start-valkey.sh", DEPLOY / "sentinel/start-sentinel.sh")
        self.running[address] = [
            programs.start(["sh", str(script), "--bind", address], folder / "log", environment) for script in scripts
        ]

    def kill(self, address: str) -> None:
        for program in self.running.pop(address, []):
            program.kill()

    def role(self, address: str) -> str:
        try:
            with redis.Redis(address, self.port, password=PASSWORD, socket_timeout=1) as client:
                info: dict[str, str] = client.info("replication")
        except redis.RedisError:
            return "unreachable"
        return info["role"] if info.get("master_link_status", "up") == "up" else "disconnected"

    def roles(self) -> list[str]:
        return [self.role(address) for address in PODS]

    def output(self) -> str:
        return "\n".join(program.output() for programs_of_pod in self.running.values() for program in programs_of_pod)


@pytest.fixture
def pods(tmp_path: Path) -> Iterator[Pods]:
    haproxy = shutil.which("haproxy", path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")
    if haproxy is None:
        pytest.skip("needs HAProxy")
    # The wheel contains only the server. redis-cli prints the same as valkey-cli.
    client = shutil.which("valkey-cli") or shutil.which("redis-cli")
    if client is None:
        pytest.skip("needs valkey-cli or redis-cli")
    (tmp_path / "valkey-server").symlink_to(programs.valkey_server())
    (tmp_path / "valkey-cli").symlink_to(client)
    pods = Pods(tmp_path, free_port(), free_port(), free_port())
    configuration = (DEPLOY / "sentinel/haproxy.cfg").read_text(encoding="utf-8")
    for index, address in enumerate(PODS):
        assert f"valkey-{index}.valkey-nodes:6379" in configuration
        configuration = configuration.replace(f"valkey-{index}.valkey-nodes:6379", f"{address}:{pods.port}")
    configuration = configuration.replace("bind :6379", f"bind 127.0.0.1:{pods.proxy_port}")
    configuration = configuration.replace("bind :8080", f"bind 127.0.0.1:{free_port()}")
    (tmp_path / "haproxy.cfg").write_text(configuration, encoding="utf-8")
    proxy = programs.start(
        [haproxy, "-W", "-db", "-f", str(tmp_path / "haproxy.cfg")], tmp_path / "proxy", {"PASSWORD": PASSWORD}
    )
    with ExitStack() as stack:
        stack.callback(proxy.kill)
        for address in PODS:
            stack.callback(pods.kill, address)
            pods.start(address)
        yield pods


class Workload:
    """An API, and a worker that is restarted when it exits, as a container is."""

    def __init__(self, stack: ExitStack, folder: Path, store: str) -> None:
        self._stack, self._folder, self._store = stack, folder, store
        self.address, _ = stack.enter_context(programs.api(folder, store, "deployed:"))
        self._worker = self._start_worker()

    def has_completed(self, request_id: str) -> bool:
        """Whether a job is complete. Restarts the worker if it exited."""
        if self._worker.process.poll() is not None:
            self._worker = self._start_worker()
        response = httpx.get(f"{self.address}/status/{request_id}", timeout=10)
        return bool(response.json().get("status") == "complete")

    def run_job(self) -> str:
        """Submit until a job is accepted, which fails during a failover, and wait for its result. Returns its id."""
        responses: list[httpx.Response] = []

        def is_accepted() -> bool:
            responses.append(httpx.post(f"{self.address}/generate?n=10", timeout=10))
            return responses[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        wait_until(is_accepted)
        request_id: str = responses[-1].raise_for_status().json()["request_id"]
        wait_until(lambda: self.has_completed(request_id), explain=self._worker.output)
        return request_id

    def _start_worker(self) -> Program:
        return self._stack.enter_context(programs.worker(self._folder, self._store, "deployed:", processes=1))


def test_jobs_survive_the_loss_of_the_primary_and_of_all_servers(pods: Pods, tmp_path: Path) -> None:
    wait_until(lambda: pods.roles() == ["master", "slave", "slave"], explain=pods.output)
    with ExitStack() as stack:
        system = Workload(stack, tmp_path, pods.url)
        before = system.run_job()
        pods.kill(PODS[0])
        wait_until(lambda: "master" in pods.roles(), explain=pods.output)
        new_primary = PODS[pods.roles().index("master")]
        # The new primary has the completed job, and accepts another.
        wait_until(lambda: system.has_completed(before))
        after = system.run_job()
        # The former primary restarts as a replica of the new one.
        pods.start(PODS[0])
        wait_until(lambda: pods.role(PODS[0]) == "slave", explain=pods.output)
        # After all servers were stopped, the last primary becomes the primary again, not the first pod.
        for address in PODS:
            pods.kill(address)
        for address in PODS:
            pods.start(address)
        wait_until(lambda: pods.roles().count("slave") == 2, explain=pods.output)
        assert pods.role(new_primary) == "master"
        wait_until(lambda: system.has_completed(before) and system.has_completed(after))
        system.run_job()
