"""A system of a test's own whose parts are killed, frozen and started again, each on the port that it had.

Nothing here waits politely: a part that is no longer needed is killed, with all its children.
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

# Short, so that what a dead worker leaves is taken up within a test.
LEASE_SECONDS = 1

# Parts are killed far more often here than anywhere: attempts must not run out, unless a test wants that. Workers are
# ended as deployments end them.
ENVIRONMENT = {"LEASE_SECONDS": str(LEASE_SECONDS), "MAX_ATTEMPTS": "50", "REMAP_SIGTERM": "SIGQUIT"}


class Part:
    """A program that can be started again with the same command; `is_ready` tells when it is of use."""

    def __init__(
        self, command: list[str], folder: Path, environment: dict[str, str], is_ready: Callable[[], bool]
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = environment
        self._is_ready = is_ready
        self._ran: list[Program] = []

    @property
    def pid(self) -> int:
        """Of the newest process; its children are in its group."""
        return self._ran[-1].process.pid

    def start(self) -> None:
        """Start it, without waiting for it."""
        self._ran.append(programs.start(self._command, self._folder, self._environment))

    def ready(self) -> Self:
        """Wait until it is of use."""
        wait_until(lambda: self._is_alive() and self._is_ready(), 30, self.output)
        return self

    def kill(self) -> None:
        """End it and its children with no chance to do anything about it."""
        self.send(signal.SIGKILL)
        self._ran[-1].process.wait(10)

    def restart(self) -> None:
        """As a supervisor does when it finds it dead."""
        self.kill()
        self.start()

    def send(self, number: signal.Signals) -> None:
        """Signal it and all its children."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def end(self) -> int:
        """End it as an upgrade does: SIGTERM to the main process. Returns the exit code."""
        return self._ran[-1].end()

    def abandon(self) -> None:
        """Its main process was killed: reap it, and leave its children to themselves."""
        self._ran[-1].process.wait(10)

    def output(self) -> str:
        """What it wrote since it was started last."""
        return self._ran[-1].output()

    def clear(self) -> None:
        """Kill what is left of it: the newest process, and children that outlived their parents."""
        for program in self._ran:
            with suppress(ProcessLookupError):
                os.killpg(program.process.pid, signal.SIGKILL)
            program.process.wait(10)

    def _is_alive(self) -> bool:
        code = self._ran[-1].process.poll()
        assert code is None, f"it ended with {code}:\n{self.output()}"
        return True


class Harness(ExitStack):
    """Valkey at first; APIs and workers as they are asked for. All are gone when the block ends."""

    def __init__(self, folder: Path, **valkey_options: str) -> None:
        super().__init__()
        self.folder = folder
        self.port = programs.free_port()
        self.valkey_folder = folder / "valkey"
        self.urls: list[str] = []
        self.apis: list[Part] = []
        self.workers: list[Part] = []
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

    def add_api(self, launcher: str = "uvicorn", redis_url: str | None = None, **environment: str) -> str:
        """Start an API. Returns its address, without a trailing slash.

        Args:
            launcher: the module that is run; one of this folder switches a safeguard off and goes on as uvicorn.
            redis_url: what it takes for the store.
            environment: what it gets beside the usual.
        """
        port = programs.free_port()
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", launcher, "gql.app:app", "--port", str(port)]
        options = [
            "--http",
            "gql.server.slow_requests:RequestTimeoutProtocol",
            "--ws-max-size",
            "65536",
            "--timeout-graceful-shutdown",
            "3",
            "--no-access-log",
        ]
        part = self._part(
            [*command, *options], lambda: _answers(url), {"REDIS_URL": redis_url or self.redis_url} | environment
        )
        self.apis.append(part.ready())
        self.urls.append(url)
        return url

    def add_worker(
        self, launcher: str = "celery", processes: int = 2, redis_url: str | None = None, **environment: str
    ) -> Part:
        """Start a worker, without waiting for it; arguments as of add_api."""
        name = f"worker-{programs.free_port()}@faults"
        command = [sys.executable, "-m", launcher, "-A", "tasks", "worker", "--hostname", name]
        options = ["--without-gossip", "--without-mingle", "--loglevel", "INFO", "--concurrency", str(processes)]
        ready = f"{name} ready"
        part = self._part(
            [*command, *options],
            lambda: ready in part.output(),
            {"REDIS_URL": redis_url or self.redis_url} | environment,
        )
        self.workers.append(part)
        return part

    def restart_valkey(self) -> None:
        """Kill it and start it on what it has on disk."""
        self.valkey.restart()
        self.valkey.ready()

    def valkey_is_up(self) -> bool:
        """Whether it answers, its data loaded."""
        with suppress(redis.RedisError), redis.Redis(port=self.port, socket_timeout=1) as client:
            return bool(client.ping())
        return False

    def freeze(self) -> None:
        """Stop the store: connections stay, nothing is answered."""
        self.valkey.send(signal.SIGSTOP)

    def thaw(self) -> None:
        self.valkey.send(signal.SIGCONT)

    def blocked(self) -> int:
        """How many clients wait for a message."""
        return int(self.client.info("clients")["blocked_clients"])

    def counters(self) -> dict[str, int]:
        """How often workers were lost, segments sent again and late writes refused."""
        found = {name.decode(): int(number) for name, number in self.client.hgetall(f"{PREFIX}counters").items()}
        return {name: number for name, number in found.items() if name.startswith(("leases", "resent", "fenced"))}

    def memory(self) -> int:
        """How many bytes the store uses."""
        return int(self.client.info("memory")["used_memory"])

    def _valkey(self, options: dict[str, str]) -> Part:
        durable = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
        named = durable | {"port": str(self.port), "bind": "127.0.0.1"} | options
        arguments = [word for name, value in named.items() for word in (f"--{name}", value)]
        self.valkey_folder.mkdir(parents=True, exist_ok=True)
        return self._part([programs.valkey_server(), *arguments], self.valkey_is_up, {}).ready()

    def _part(self, command: list[str], is_ready: Callable[[], bool], environment: dict[str, str]) -> Part:
        part = Part(command, self.folder, self._environment | environment, is_ready)
        self.callback(part.clear)
        part.start()
        return part


def _answers(url: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(f"{url}/livez", timeout=1).is_success
    return False
