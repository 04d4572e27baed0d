"""Trusted-host middleware: protects against DNS rebinding.

The owner of evil.example can have the name resolved to the address of this API. To a browser, its pages and the API are
of one origin then, and only the Host header shows the difference. Starlette's middleware of this name compares names:
it has no ranges of addresses, and refuses clients of HTTP/1.0, which need not send a Host.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from http import HTTPStatus
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING

from starlette._utils import parse_host_header

from gql.http.problem_details import problem

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Receive, Scope, Send

ANY = "*"

# RFC 6761: names that always resolve to a loopback address.
_LOOPBACK_NAMES = ("localhost", "*.localhost")

# A name has at most 253 characters. Requests have a few different hosts: those are cached.
_MAX_HOST_BYTES = 300


class TrustedHostMiddleware:
    """Responds with 421 to a Host that is not allowed, and with 400 to one that is invalid, missing or repeated.

    Loopback names and addresses are always allowed.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Collection[str], *, any_address: bool) -> None:
        """Besides the application.

        Args:
            app: what the requests are forwarded to.
            allowed_hosts: other names and addresses, `*.example.com` for all names below one, or `*` for all.
            any_address: whether all IP addresses are allowed. They need no name, so they can't be rebound.
        """
        self._app = app
        patterns = {*_LOOPBACK_NAMES, *allowed_hosts}
        self._any_host = ANY in patterns
        self._any_address = any_address
        self._names = frozenset(map(normalized, patterns))
        self._suffixes = tuple(pattern.removeprefix(ANY) for pattern in self._names if pattern.startswith("*."))
        self._error_of = lru_cache(maxsize=256)(self._error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward the request, or the handshake of a WebSocket, if its host is allowed."""
        if scope["type"] in {"http", "websocket"}:
            hosts = [value for name, value in scope["headers"] if name == b"host"]
            if len(hosts) == 1:
                error = self._error_of(hosts[0]) if len(hosts[0]) <= _MAX_HOST_BYTES else _INVALID
            else:
                error = None if not hosts and scope.get("http_version") == "1.0" else _INVALID
            if error is not None:
                await problem(*error)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _error(self, header: bytes) -> tuple[HTTPStatus, str] | None:
        parsed = parse_host_header(header.decode("latin-1"))
        if parsed is None or not parsed.is_valid_port:
            return _INVALID
        host = normalized(parsed.host)
        if self._any_host or host in self._names or host.endswith(self._suffixes):
            return None
        address = _address(host)
        if address is not None and (self._any_address or address.is_loopback):
            return None
        detail = f"Host {parsed.host} is not allowed. Add it to ALLOWED_HOSTS if this API is published under this name."
        return HTTPStatus.MISDIRECTED_REQUEST, detail


_INVALID = (HTTPStatus.BAD_REQUEST, "A request must have exactly one Host header, with a host and optionally a port.")


def normalized(host: str) -> str:
    """The form in which hosts are compared. `localhost.` is the same name as `localhost`."""
    return host.lower().removesuffix(".")


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        if host.startswith("["):
            address = IPv6Address(host[1:-1])
            return address.ipv4_mapped or address
        # Not every client writes all four numbers: `curl http://127.1`.
        return IPv4Address(socket.inet_aton(host))
    except (OSError, ValueError):
        return None
