"""May the API be open where it listens? On the loopback address it may; elsewhere somebody must have said so.

A server that was started by hand is known by its own options, read as it reads them. Of any other the address is only
seen when a request arrives: then it is refused.
"""

from __future__ import annotations

import ipaddress
import socket
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


ADVICE = (
    "set AUTHENTICATION=keys (python -m gql.keys create NAME) or AUTHENTICATION=jwt, or AUTHENTICATION=none if "
    "everybody who reaches it may use it"
)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches what listens there: an address, or a name that stands for such addresses."""
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


def refusal(host: str) -> str:
    """The one line that says why nothing was started."""
    return f"the API would be open to all on {host}: {ADVICE}"


def check_start(arguments: Sequence[str]) -> None:
    """End the process where uvicorn was told to listen where others reach it.

    Args:
        arguments: this process's own, the program first.
    """
    host = _uvicorn_host(arguments)
    if host is not None and not is_loopback(host):
        raise SystemExit(f"error: {refusal(host)}")


def _uvicorn_host(arguments: Sequence[str]) -> str | None:
    """Where uvicorn listens by its own reading of options and environment; None for another program or no address."""
    program = Path(arguments[0]) if arguments else Path()
    if program.name != "uvicorn" and program.parent.name != "uvicorn":
        return None
    from uvicorn.main import main  # noqa: PLC0415 - no other program has a use for it

    context = main.make_context("uvicorn", list(arguments[1:]), resilient_parsing=True)
    options = context.params
    if options.get("uds") or options.get("fd") is not None:
        return None
    host: str = options["host"]
    return host
