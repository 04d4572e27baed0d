"""Checks before the first start. Each failure is one line: what is wrong and how to fix it.

What passes here can still fail later. Then the program concerned reports it and exits, and the supervisor stops.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import redis

from gql.local.errors import LocalRunError
from tasks import store_check
from tasks.settings import JobSettings
from tasks.settings.errors import InvalidSettingError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gql.local.settings import LocalSettings

_LAST_PORT: Final = 65_535


@contextmanager
def checked(settings: LocalSettings) -> Iterator[int]:
    """Check port, broker and data folder. Gives the descriptor of the folder's lock.

    The lock is held until the last process that inherited it has exited, so also by programs that outlive a killed
    supervisor.

    Raises:
        LocalRunError: a check failed.
    """
    check_port(settings.host, settings.port)
    if settings.redis_url is not None:
        check_store(JobSettings(redis_url=settings.redis_url))
    with locked(settings.data_dir) as lock:
        yield lock


def check_port(host: str, port: int) -> None:
    """Listen on the address for a moment.

    Raises:
        LocalRunError: that is impossible.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            if family == socket.AF_INET6:
                # As the API does: otherwise :: would occupy the IPv4 port too, and find it in use.
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            # Connections of an earlier run in TIME_WAIT do not matter.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except (OSError, UnicodeError) as error:
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        if number in {None, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            raise LocalRunError(f"HOST is {host}: not an address of this machine. Use e.g. HOST=127.0.0.1") from None
        reason = "in use" if number == errno.EADDRINUSE else f"unavailable ({os.strerror(number or 0)})"
        another = port + 1 if port < _LAST_PORT else _LAST_PORT - 1
        raise LocalRunError(
            f"port {port} on {host} is {reason}. Choose another port, e.g. PORT={another} make run"
        ) from None


def check_store(settings: JobSettings) -> None:
    """Connect to the server that REDIS_URL names.

    Raises:
        LocalRunError: no answer within 2 s, or it can't be used. The message never contains its password.
    """
    try:
        store_check.check(settings)
    except InvalidSettingError as error:
        raise LocalRunError(str(error)) from None
    except redis.RedisError as error:
        rejected = isinstance(error, redis.AuthenticationError)
        reason = "wrong or missing user or password" if rejected else str(error).rstrip(".")
        problem = "refuses requests" if isinstance(error, redis.ResponseError) else "does not answer"
        raise LocalRunError(
            f"REDIS_URL {settings.redis_url} {problem} ({reason}). "
            "Start the server, correct the URL, or unset REDIS_URL to use the embedded server"
        ) from None


def writable_folder(folder: Path) -> Path:
    """Create the folder if it is missing.

    Raises:
        LocalRunError: it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "writable").touch()
        (folder / "writable").unlink()
    except OSError as error:
        raise LocalRunError(
            f"data folder {folder} cannot be written ({error.strerror}). "
            "Fix that, or choose another, e.g. DATA_DIR=/tmp/primes"
        ) from None
    return folder


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Lock the folder against other runs. Gives the lock's descriptor.

    Raises:
        LocalRunError: the folder cannot be written, or another run uses it.
    """
    lock = os.open(writable_folder(folder) / "lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield lock
    except BlockingIOError:
        pid = os.pread(lock, 20, 0).decode(errors="replace").strip()
        raise LocalRunError(_why_locked(folder, pid)) from None
    finally:
        os.close(lock)


def _why_locked(folder: Path, pid: str) -> str:
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return f"data folder {folder} is in use by programs of a killed run. They stop within 10 s: try again then"
    except PermissionError:
        pass
    another = f"DATA_DIR={folder}-2 PORT=8001 make run"
    return f"data folder {folder} is in use by process {pid}. Stop it, or choose another, e.g. {another}"


def free_port() -> int:
    """A free port on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
