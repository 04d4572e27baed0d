"""Memory and file descriptors of each process of a running system, and memory and keys of its store."""

from __future__ import annotations

from dataclasses import dataclass, field

import psutil
import redis

from tests.bench.flatness import Sample, Tolerance
from tests.conftest import PERMANENT_KEYS

MEBIBYTE = 2**20

# By unit. The number of connections varies with the users.
TOLERANCES = {
    "MiB": Tolerance(minimum=4, share=0.05),
    "descriptors": Tolerance(minimum=5, share=0.1),
    "keys": Tolerance(minimum=100, share=0.1),
}

# Workers renew theirs while they run.
_PERMANENT = (*PERMANENT_KEYS, "workers", "counters")


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a series measures. Includes the pid, so that each process after a replacement has its own series."""

    process: str
    pid: int
    unit: str


@dataclass
class SystemMonitor:
    """Collects samples of one system; `sample` takes one of everything."""

    supervisor: psutil.Process
    series: dict[Measurement, list[Sample]] = field(default_factory=dict)
    sampled_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self._valkey,) = [one for one in self.supervisor.children() if role(one) == "valkey"]
        self._store = redis.Redis(port=_port(self._valkey), decode_responses=True)

    def sample(self, seconds: float) -> None:
        """Measure everything. `seconds` is the time since the load started."""
        self.sampled_at.append(seconds)
        for process in (self.supervisor, *self.supervisor.children(recursive=True)):
            try:
                name, pid = role(process), process.pid
                # The unique set size, since forks and libraries share other pages.
                memory = process.memory_full_info().uss / MEBIBYTE
                self._add(Measurement(name, pid, "MiB"), seconds, memory)
                self._add(Measurement(name, pid, "descriptors"), seconds, process.num_fds())
            except psutil.NoSuchProcess:
                # Such as Valkey's child process, which rewrites the append-only file.
                continue
        used = self._store.info("memory")["used_memory"] / MEBIBYTE
        self._add(Measurement("valkey's data", self._valkey.pid, "MiB"), seconds, used)
        self._add(Measurement("valkey's data", self._valkey.pid, "keys"), seconds, self._store.dbsize())

    def since(self, start: float, measurement: Measurement) -> list[Sample] | None:
        """The samples from `start` on; None if some are missing because the process did not run all the time."""
        samples = [sample for sample in self.series[measurement] if sample.seconds >= start]
        moments = [seconds for seconds in self.sampled_at if seconds >= start]
        return samples if [sample.seconds for sample in samples] == moments else None

    def keys(self) -> list[str]:
        """All keys of the store except permanent ones, heartbeats of workers, and counters."""
        return [key for key in self._store.scan_iter(count=1000) if not key.rpartition(":")[2].startswith(_PERMANENT)]

    def keys_without_ttl(self) -> list[str]:
        """Keys that never expire. There must be none when no job is in progress."""
        return [key for key in self.keys() if self._store.ttl(key) == -1]

    def _add(self, measurement: Measurement, seconds: float, value: float) -> None:
        self.series.setdefault(measurement, []).append(Sample(seconds, value))


def role(process: psutil.Process) -> str:
    """The role of a process by its command line; a fork has its parent's role and "'s child"."""
    if (parent := process.parent()) is not None and (name := _role_by_command(parent)) is not None:
        return f"{name}'s child"
    return _role_by_command(process) or "supervisor"


def _role_by_command(process: psutil.Process) -> str | None:
    command = " ".join(process.cmdline())
    names = {"valkey-server": "valkey", "celery": "worker", "guardian": "guardian"}
    if command.endswith(" -m gql"):
        return "api"
    return next((name for word, name in names.items() if word in command), None)


def _port(process: psutil.Process) -> int:
    listening = [line for line in process.net_connections("tcp") if line.status == psutil.CONN_LISTEN]
    return int(listening[0].laddr.port)
