"""The machine that the benchmark runs on: processor time, cores and priority of processes, other load. Linux only."""

from __future__ import annotations

import os
import platform
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CORES = sorted(os.sched_getaffinity(0))

# One server process has its own core. The load generator, and Valkey if there are only two cores, take others.
SERVER_CORES = {CORES[0]}
GENERATOR_CORES = {CORES[-1]}
STORE_CORES = {CORES[len(CORES) // 2]}

_PRIORITISING_SECONDS = 0.5


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """Processor time of processes since their start."""
    total = 0.0
    for pid in pids:
        # Linux's id of the CPU clock of a process. A process that has ended counts as 0.
        with suppress(OSError):
            total += time.clock_gettime((~pid << 3) | 2)
    return total


def pin(pids: Iterable[int], cores: Iterable[int] = CORES) -> None:
    """Let all threads of processes run on these cores only."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread.name), cores)


def prioritise(pids: Iterable[int], nice: int) -> bool:
    """Set the priority of processes relative to other load. Returns whether the system allowed it.

    With sched_autogroup_enabled, a nice value counts only within its session, so the value is given to the session.
    """
    for pid in pids:
        try:
            if _has_autogroups():
                Path(f"/proc/{pid}/autogroup").write_text(str(nice), encoding="ascii")
            else:
                os.setpriority(os.PRIO_PROCESS, pid, nice)
        except (FileNotFoundError, ProcessLookupError):
            continue
        except OSError:
            return False
    return True


@contextmanager
def prioritising(nice: int) -> Iterator[None]:
    """Set the priority of this process and of all programs that it starts until the block ends, while they start."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(_PRIORITISING_SECONDS):
            prioritise(tree(os.getpid()), nice)

    thread = threading.Thread(target=run, name="priorities", daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
        prioritise(tree(os.getpid()), nice)


@dataclass
class OtherLoad:
    """Processor time of processes other than this one and its descendants, from `start` on."""

    started_at: float = 0
    used: float = 0

    @classmethod
    def start(cls) -> OtherLoad:
        return cls(time.monotonic(), cls._seconds())

    def cores(self) -> float:
        """The number of cores that others used on average."""
        return max(0.0, self._seconds() - self.used) / (time.monotonic() - self.started_at)

    @staticmethod
    def _seconds() -> float:
        # Interrupts are left out: those of the benchmark's own network traffic are charged to no process.
        times = psutil.cpu_times()
        own = (process.cpu_times() for process in (psutil.Process(), *psutil.Process().children(recursive=True)))
        # Including programs that ran in between and have ended.
        used = sum(one.user + one.system + one.children_user + one.children_system for one in own)
        return times.user + times.nice + times.system + times.steal - used


def description() -> str:
    """Processor, kernel and interpreter."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return f"{len(CORES)} cores, {model}, Linux {platform.release()}, Python {platform.python_version()}"


def _has_autogroups() -> bool:
    enabled = Path("/proc/sys/kernel/sched_autogroup_enabled")
    return enabled.exists() and enabled.read_text(encoding="ascii").strip() == "1"
