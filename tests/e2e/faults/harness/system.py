"""A system whose processes can be killed, paused and restarted, each on the same port.

Nothing here shuts down gracefully: a process that is no longer needed is killed with all its children.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Self

import httpx
import redis

from tests import programs
from tests.tasks.keys import Keys
from tests.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.programs import Program

PREFIX = "faults:"

# Short, so that segments of a killed worker are claimed again within a test.
LEASE_SECONDS = 1

# Many attempts, because processes are killed far more often than in production. REMAP_SIGTERM as in deployments.
ENVIRONMENT = {"LEASE_SECONDS": str(LEASE_SECONDS), "MAX_ATTEMPTS": "50", "REMAP_SIGTERM": "SIGQUIT"}


class ManagedProcess:
    """A program that can be restarted with the same command. Methods act on its newest process."""

    def __init__(
        self, command: list[str], folder: Path, environment: dict[str, str], is_ready: Callable[[], bool]
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = environment
        self._is_ready = is_ready
        self._runs: list[Program] = []

    @property
    def pid(self) -> int:
        """The process id, which is also the id of its process group."""
        return self._runs[-1].process.pid

    def start(self) -> None:
        """Start it without waiting until it is ready."""
        self._runs.append(programs.start(self._command, self._folder, self._environment))

    def ready(self) -> Self:
        """Wait until it is ready."""
        wait_until(lambda: self._is_alive() and self._is_ready(), explain=self.output)
        return self

    def kill(self) -> None:
        """Kill it and its children with SIGKILL."""
        self.send(signal.SIGKILL)
        self._runs[-1].process.wait(60)

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to it and all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def terminate(self) -> int:
        """Send SIGTERM to the main process, as an upgrade does. Returns the exit code."""
        return self._runs[-1].stop()

    def reap(self) -> None:
        """Reap its main process, which was killed from outside. Its children stay."""
        self._runs[-1].process.wait(60)

    def output(self) -> str:
        """What it wrote since its last start."""
        return self._runs[-1].output()

    def kill_all(self) -> None:
        """Kill every process of all its starts, including children that outlived their parents."""
        for program in self._runs:
            with suppress(ProcessLookupError):
                os.killpg(program.process.pid, signal.SIGKILL)
            program.process.wait(60)

    def _is_alive(self) -> bool:
        code = self._runs[-1].process.poll()
        assert code is None, f"exited with code {code}:\n{self.output()}"
        return True


class Harness(ExitStack):
    """Starts Valkey; a test adds APIs and workers. All are killed when the block ends."""

    def __init__(self, folder: Path, **valkey_options: str) -> None:
        super().__init__()
        self.folder = folder
        self.port = programs.free_port()
        self.valkey_folder = folder / "valkey"
        self.urls: list[str] = []
        self.apis: list[ManagedProcess] = []
        self.workers: list[ManagedProcess] = []
        self._environment = ENVIRONMENT | {"RESULTS_URL": (folder / "results").as_uri(), "KEY_PREFIX": PREFIX}
        self.client = self.enter_context(redis.Redis(port=self.port))
        self.keys = Keys(self.client, PREFIX)
        try:
            self.valkey = self._valkey({"dir": str(self.valkey_folder)} | valkey_options)
        except BaseException:
            self.close()
            raise

    @property
    def redis_url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def add_api(self, launcher: str = "gql", redis_url: str | None = None, **environment: str) -> str:
        """Start an API. Returns its address, without a trailing slash.

        Args:
            launcher: the module to run: gql, or one of tests.e2e.faults.launchers that disables a safeguard.
            redis_url: the address of the store, or of a proxy before it.
            environment: additional environment variables.
        """
        port = programs.free_port()
        url = f"http://127.0.0.1:{port}"
        environment |= {"PORT": str(port), "REDIS_URL": redis_url or self.redis_url}
        process = self._start_process([sys.executable, "-m", launcher], lambda: _responds(url), environment)
        self.apis.append(process.ready())
        self.urls.append(url)
        return url

    def add_worker(
        self, launcher: str = "celery", processes: int = 2, redis_url: str | None = None, **environment: str
    ) -> ManagedProcess:
        """Start a worker without waiting until it is ready. The arguments are those of add_api."""
        name = f"worker-{programs.free_port()}@faults"
        command = [sys.executable, "-m", launcher, "-A", "tasks", "worker", "--hostname", name]
        options = ["--without-gossip", "--without-mingle", "--loglevel", "INFO", "--concurrency", str(processes)]
        ready = f"{name} ready"
        process = self._start_process(
            [*command, *options],
            lambda: ready in process.output(),
            {"REDIS_URL": redis_url or self.redis_url} | environment,
        )
        self.workers.append(process)
        return process

    def restart_valkey(self) -> None:
        """Kill it and restart it from its files."""
        self.valkey.restart()
        self.valkey.ready()

    def valkey_is_up(self) -> bool:
        """Whether it responds, with its data loaded."""
        with suppress(redis.RedisError), redis.Redis(port=self.port, socket_timeout=1) as client:
            return bool(client.ping())
        return False

    def freeze(self) -> None:
        """Pause the store: connections stay open without responses."""
        self.valkey.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.valkey.send(signal.SIGCONT)

    def blocked_clients(self) -> int:
        """How many clients wait in a blocking command, as workers do for a message."""
        return int(self.client.info("clients")["blocked_clients"])

    def counters(self) -> dict[str, int]:
        """How many leases expired, segments were sent again, and late writes were refused."""
        counts = {name.decode(): int(number) for name, number in self.client.hgetall(f"{PREFIX}counters").items()}
        return {name: number for name, number in counts.items() if name.startswith(("leases", "resent", "fenced"))}

    def memory_bytes(self) -> int:
        """Bytes of memory that the store uses."""
        return int(self.client.info("memory")["used_memory"])

    def _valkey(self, options: dict[str, str]) -> ManagedProcess:
        durable = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
        settings = durable | {"port": str(self.port), "bind": "127.0.0.1"} | options
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self.valkey_folder.mkdir(parents=True, exist_ok=True)
        return self._start_process([programs.valkey_server(), *arguments], self.valkey_is_up, {}).ready()

    def _start_process(
        self, command: list[str], is_ready: Callable[[], bool], environment: dict[str, str]
    ) -> ManagedProcess:
        process = ManagedProcess(command, self.folder, self._environment | environment, is_ready)
        self.callback(process.kill_all)
        process.start()
        return process


def _responds(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/livez", timeout=1).is_success
    return False
