"""What must hold before anything is started. A check that fails is one line: what is wrong, and how to mend it.

Between a check and the use of what it checked something may still happen; then the program concerned says so and ends,
and the supervisor reports that.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from gql.local.errors import CannotRun
from tasks.settings import JobSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gql.local.settings import LocalSettings

_BROKER_SECONDS: Final = 2
_LOCK: Final = "lock"
# Below it, listening needs rights.
_FIRST_FREE_PORT: Final = 1024


@contextmanager
def checked(settings: LocalSettings) -> Iterator[int]:
    """Check everything; during the block the data folder is this run's own.

    Returns:
        The descriptor of the folder's lock. The folder is locked until the last process that has it open is gone, so
        also while children outlive a supervisor that was killed.

    Raises:
        CannotRun: a check failed.
    """
    check_port(settings.host, settings.port)
    if settings.redis_url is not None:
        check_broker(JobSettings(redis_url=settings.redis_url).broker_url)
    with locked(settings.data_dir) as lock:
        yield lock


def check_port(host: str, port: int) -> None:
    """Listen there for a moment.

    Raises:
        CannotRun: that can't be done.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if family == socket.AF_INET6:
                # As the API does it: otherwise :: would take the IPv4 port too, and find that in use.
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Connections of an earlier run that the system has not forgotten yet are no obstacle.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except (socket.gaierror, UnicodeError):
        raise CannotRun(
            f"HOST is {host}: this is no address or name known here, take one of this machine, e.g. HOST=127.0.0.1"
        ) from None
    except OSError as error:
        raise CannotRun(_why_not_listening(host, port, error)) from None


def _why_not_listening(host: str, port: int, error: OSError) -> str:
    another = f"PORT={port + 1 if _FIRST_FREE_PORT <= port < 65535 else 8001} make run"  # noqa: PLR2004 - the last port
    match error.errno:
        case errno.EADDRINUSE:
            return f"port {port} on {host} is in use: stop what listens there, or choose another, e.g. {another}"
        case errno.EACCES | errno.EPERM:
            return f"port {port} on {host} is reserved for the system: choose another, e.g. {another}"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return f"HOST is {host}: not an address of this machine, take one that is, e.g. HOST=127.0.0.1 make run"
        case _:
            return f"port {port} on {host} can't be listened on ({error.strerror}): choose another, e.g. {another}"


def check_broker(url: str) -> None:
    """Ask a server of the user's own for a sign of life.

    Raises:
        CannotRun: it gives none within 2 s. The message has its address, and never its password.
    """
    retry = Retry(NoBackoff(), retries=0)
    seconds = _BROKER_SECONDS
    try:
        with redis.Redis.from_url(url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=retry) as client:
            client.ping()
    except (redis.RedisError, OSError, ValueError) as error:
        where = _address(url)
        raise CannotRun(
            f"REDIS_URL {where} {_why_no_answer(error)}, or leave REDIS_URL out to use the embedded server"
        ) from None


def _why_no_answer(error: Exception) -> str:
    match error:
        case redis.AuthenticationError():
            return "refuses the user or password in it: correct them"
        case redis.BusyLoadingError():
            return "is still loading its data: try again when it has"
        case redis.TimeoutError() | TimeoutError():
            return f"gave no answer within {_BROKER_SECONDS} s: see that the server is up and can be reached from here"
        case redis.ConnectionError() if isinstance(error.__context__, socket.gaierror):
            return "has a host name that is not known here: correct it"
        case redis.ConnectionError():
            return "can't be reached: start the server there, correct the address"
        case _:
            return f"does not work ({error}): correct it"


def _address(url: str) -> str:
    """The URL without what may be secret: user, password and options."""
    scheme, _, rest = url.partition("://")
    location = rest.partition("?")[0].rpartition("@")[2]
    return f"{scheme}://{location}"


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Make the folder if it is missing, and keep other runs out of it. Gives the lock's descriptor.

    Raises:
        CannotRun: it can't be written, or another run has it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise CannotRun(_why_not_written(folder, error)) from None
    try:
        _take(lock, folder)
        yield lock
    finally:
        os.close(lock)


def _take(lock: int, folder: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(lock, 20, 0).decode(errors="replace").strip()
        raise CannotRun(_why_locked(folder, pid)) from None
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        os.fsync(lock)
    except OSError as error:
        raise CannotRun(_why_not_written(folder, error)) from None


def _why_locked(folder: Path, pid: str) -> str:
    if pid.isdigit() and _is_running(int(pid)):
        another = f"DATA_DIR={folder}-2 PORT=8001 make run"
        return f"data folder {folder} is in use by process {pid}: stop it, or choose another, e.g. {another}"
    return (
        f"data folder {folder} is in use by programs of a run that was killed: they end by themselves within 10 s, "
        "try again then"
    )


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _why_not_written(folder: Path, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    return f"data folder {folder} can't be written ({reason}): mend that, or choose another, e.g. DATA_DIR=/tmp/primes"
