"""This system, the naive system and the floors, running side by side on one store."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import httpx
import redis

from tests import programs
from tests.bench import result_system
from tests.bench.performance.load import Server
from tests.bench.performance.machine import GENERATOR_CORES, SERVER_CORES, STORE_CORES, pin, prioritising, tree
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tests.programs import Program, Valkey

WORKER_PROCESSES = 2
NAIVE_DATABASE = 1
CAPACITY = {"QUEUE_CAPACITY": "1000000"}

_MODULE = "tests.bench.performance"


@dataclass(frozen=True, slots=True)
class Naive:
    """The naive system."""

    server: Server
    store: redis.Redis
    worker: Program | None

    def keys(self) -> int:
        """The number of keys, which grows by one with each result while no job waits."""
        return int(str(self.store.dbsize()))

    def finish(self, count: int) -> str:
        """Submit, and wait until the job has succeeded. Returns its id."""
        with httpx.Client(base_url=f"http://127.0.0.1:{self.server.port}", timeout=60) as client:
            job_id: str = client.post(f"/generate?n={count}").json()["request_id"]
            wait_until(lambda: client.get(f"/status/{job_id}").json()["status"] == "SUCCESS", 60)
        return job_id


@dataclass(frozen=True, slots=True)
class Systems:
    """All that the rows compare. The collector accepts telemetry and discards it."""

    ours: result_system.System
    server: Server
    naive: Naive
    bare_asgi: Server
    starlette_post: Server
    collector: Server
    folder: Path
    nice: int

    @property
    def valkey(self) -> Valkey:
        return self.ours.valkey

    def pin(self) -> None:
        """Give the servers one core: the same for all, since only one is used at a time."""
        pin(self._server_pids, SERVER_CORES)
        pin(self.server.store_pids, STORE_CORES)
        pin((os.getpid(), *self.collector.pids), GENERATOR_CORES)

    def unpin(self) -> None:
        """Let everything run on all cores."""
        pin((os.getpid(), *self._server_pids, *self.server.store_pids, *self.collector.pids))

    @contextmanager
    def api(self, launcher: str = "gql", **environment: str) -> Iterator[Server]:
        """A further API process on the same store and the same core, with other settings or another launcher."""
        processes = int(environment.get("WEB_WORKERS", "1"))
        with ExitStack() as stack:
            with prioritising(self.nice):
                url, program = stack.enter_context(
                    programs.api(
                        self.folder, self.valkey.url, result_system.PREFIX, None, launcher, **CAPACITY, **environment
                    )
                )
                # The first of several server processes responds while others still start.
                wait_until(lambda: program.output().count("Application startup complete") >= processes, 60)
            server = _api_server(url, program, self.server.store_pids)
            pin(server.pids, SERVER_CORES)
            yield server

    def telemetry(self) -> dict[str, str]:
        """Settings that export everything to the collector."""
        return telemetry_to(self.collector)

    @property
    def _server_pids(self) -> list[int]:
        servers = (self.server, self.naive.server, self.bare_asgi, self.starlette_post)
        return [pid for server in servers for pid in server.pids]


@contextmanager
def systems(folder: Path, nice: int, *, workers: bool, telemetry: bool) -> Iterator[Systems]:
    """Start everything, with or without workers. It may use all cores, also if this process was given one before."""
    pin((os.getpid(),))
    with ExitStack() as stack:
        with prioritising(nice):
            found = _start(stack, folder, nice, workers=workers, telemetry=telemetry)
        yield found


def _start(stack: ExitStack, folder: Path, nice: int, *, workers: bool, telemetry: bool) -> Systems:
    start = partial(_server, stack, folder)
    bare = ("--no-access-log", "--lifespan", "off")
    collector = start("floors:bare_asgi", *bare)
    environment = CAPACITY | (telemetry_to(collector) if telemetry else {})
    ours = stack.enter_context(result_system.system(folder, WORKER_PROCESSES, int(workers), **environment))
    assert ours.valkey.program is not None
    url = ours.valkey.url.removesuffix("/0") + f"/{NAIVE_DATABASE}"
    store = stack.enter_context(redis.Redis.from_url(url))
    naive_worker = stack.enter_context(_naive_worker(folder, url, store)) if workers else None
    return Systems(
        ours,
        _api_server(ours.url, ours.api, tree(ours.valkey.program.process.pid)),
        Naive(start("naive:app", NAIVE_STORE=url), store, naive_worker),
        start("floors:bare_asgi", *bare),
        start("floors:starlette_post", "--no-access-log"),
        collector,
        folder,
        nice,
    )


def telemetry_to(collector: Server) -> dict[str, str]:
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
        "OTEL_METRIC_EXPORT_INTERVAL": "10000",
    }


def _api_server(url: str, api: Program, store_pids: Sequence[int]) -> Server:
    return Server(int(url.rpartition(":")[2]), tree(api.process.pid), store_pids)


def _server(stack: ExitStack, folder: Path, app: str, *options: str, **environment: str) -> Server:
    """Run an application of this package with uvicorn's defaults."""
    port = programs.free_port()
    command = [sys.executable, "-m", "uvicorn", "--port", str(port), *options, f"{_MODULE}.{app}"]

    def responds() -> bool:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=1)
        except httpx.TransportError:
            return False
        return True

    program = stack.enter_context(programs.running(command, folder, responds, **environment))
    return Server(port, tree(program.process.pid))


@contextmanager
def _naive_worker(folder: Path, url: str, store: redis.Redis) -> Iterator[Program]:
    options = ["--loglevel", "INFO", "--concurrency", str(WORKER_PROCESSES)]
    command = [sys.executable, "-m", "celery", "-A", f"{_MODULE}.naive:celery", "worker", *options]

    def listens() -> bool:
        return bool(store.exists("_kombu.binding.celery"))

    with programs.running(command, folder, listens, NAIVE_STORE=url) as program:
        yield program
