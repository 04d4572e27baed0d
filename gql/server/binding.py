"""Without authentication, the API listens on the loopback interface only, unless AUTHENTICATION=none allows more.

The options of a server started as `uvicorn` are parsed before it listens. The address of any other server is known only
when a request arrives: gql.middleware.loopback_only refuses it then.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


ADVICE = (
    "Set AUTHENTICATION=keys (create keys with `python -m gql.keys create NAME`) or AUTHENTICATION=jwt, or "
    "AUTHENTICATION=none to allow access without authentication."
)


def is_loopback(host: str) -> bool:
    """Whether the host, an address or a name, is reachable from this machine only."""
    if not host:
        return False
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)


def open_access_error(host: str) -> str:
    """The error for a host that other machines can reach, in one line."""
    return f"The API would be reachable on {host} without authentication. {ADVICE}"


def require_loopback(arguments: Sequence[str]) -> None:
    """Exit with an error when uvicorn was started to listen on an address that other machines can reach.

    Args:
        arguments: sys.argv of this process.
    """
    host = _uvicorn_host(arguments)
    if host is not None and not is_loopback(host):
        raise SystemExit(f"error: {open_access_error(host)}")


def _uvicorn_host(arguments: Sequence[str]) -> str | None:
    """The host in uvicorn's options and environment variables; None for another program, a Unix socket or a file."""
    program = Path(arguments[0]) if arguments else Path()
    if program.name != "uvicorn" and program.parent.name != "uvicorn":
        return None
    from uvicorn.main import main  # noqa: PLC0415 - not needed by any other program

    context = main.make_context("uvicorn", list(arguments[1:]), resilient_parsing=True)
    options = context.params
    if options.get("uds") or options.get("fd") is not None:
        return None
    host: str = options["host"]
    return host
