"""What a running system takes: memory and descriptors of each process, and what its store holds."""

from __future__ import annotations

from dataclasses import dataclass, field

import psutil
import redis

from tests.bench.flatness import Sample, Tolerance
from tests.conftest import PERMANENT_KEYS

MEBIBYTE = 2**20

# By what is watched. Twenty users come and go, so connections are now more, now fewer.
TOLERANCES = {
    "MiB": Tolerance(least=4, share=0.05),
    "descriptors": Tolerance(least=5, share=0.1),
    "keys": Tolerance(least=100, share=0.1),
}

_STANDING = (*PERMANENT_KEYS, "workers")


@dataclass(frozen=True, slots=True)
class Watched:
    """One thing that is watched: of a process its pid too, so that one which was replaced is seen as another."""

    who: str
    pid: int
    unit: str


@dataclass
class Watch:
    """Everything that was seen of one system; `look` is called now and then."""

    supervisor: psutil.Process
    series: dict[Watched, list[Sample]] = field(default_factory=dict)
    looked_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self._valkey,) = [one for one in self.supervisor.children() if role(one) == "valkey"]
        self._store = redis.Redis(port=_port(self._valkey), decode_responses=True)

    def look(self, seconds: float) -> None:
        """Take a sample of everything, at a moment in seconds since the load began."""
        self.looked_at.append(seconds)
        for process in (self.supervisor, *self.supervisor.children(recursive=True)):
            try:
                name, pid = role(process), process.pid
                # Its own pages alone: those of forks and libraries are shared.
                own = process.memory_full_info().uss / MEBIBYTE
                self._note(Watched(name, pid, "MiB"), seconds, own)
                self._note(Watched(name, pid, "descriptors"), seconds, process.num_fds())
            except psutil.NoSuchProcess:
                # Such as Valkey's fork, which writes its append-only file anew.
                continue
        used = self._store.info("memory")["used_memory"] / MEBIBYTE
        self._note(Watched("valkey's data", self._valkey.pid, "MiB"), seconds, used)
        self._note(Watched("valkey's data", self._valkey.pid, "keys"), seconds, self._store.dbsize())

    def since(self, begin: float, what: Watched) -> list[Sample] | None:
        """Its samples from a moment on; None when it was not there all the time."""
        samples = [sample for sample in self.series[what] if sample.seconds >= begin]
        moments = [seconds for seconds in self.looked_at if seconds >= begin]
        return samples if [sample.seconds for sample in samples] == moments else None

    def keys(self) -> list[str]:
        """All keys of the store but those that are permanent, and what workers who run keep telling of themselves."""
        return [key for key in self._store.scan_iter(count=1000) if not key.rpartition(":")[2].startswith(_STANDING)]

    def lasting(self) -> list[str]:
        """Those that would stay for ever, which is none of them once nothing is in progress."""
        return [key for key in self.keys() if self._store.ttl(key) == -1]

    def _note(self, what: Watched, seconds: float, value: float) -> None:
        self.series.setdefault(what, []).append(Sample(seconds, value))


def role(process: psutil.Process) -> str:
    """What a process of the system is, by its command, or by that of its parent where it was forked from it."""
    if (parent := process.parent()) is not None and (name := _named(parent)) is not None:
        return f"{name}'s child"
    return _named(process) or "supervisor"


def _named(process: psutil.Process) -> str | None:
    command = " ".join(process.cmdline())
    names = {"valkey-server": "valkey", "uvicorn": "api", "celery": "worker", "guardian": "guardian"}
    return next((name for word, name in names.items() if word in command), None)


def _port(process: psutil.Process) -> int:
    listening = [line for line in process.net_connections("tcp") if line.status == psutil.CONN_LISTEN]
    return int(listening[0].laddr.port)
