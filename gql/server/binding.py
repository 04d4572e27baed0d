"""Without authentication, the API listens on the loopback interface only, unless AUTHENTICATION=none allows more.

`python -m gql` checks its host before it listens. The address of any other server is known only when a request arrives:
gql.middleware.loopback_only refuses it then.
"""

from __future__ import annotations

import ipaddress
import socket

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
