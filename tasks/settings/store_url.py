"""The URL of the job store, parsed once into the explicit values that every client receives.

    redis://user:password@host:6379/0
    rediss://host:6379/0?ssl_ca_certs=/run/ca.pem                 with TLS
    unix:///run/valkey.sock?db=0                                  a socket in the file system

The libraries have a parser each, and read the same text differently: one ignores what another one refuses, or uses as
an option. Here, what is not understood is refused. Messages contain no part of the URL that may be a secret.
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

_SCHEMES: Final = ("redis", "rediss", "unix")
_DEFAULT_HOST: Final = "127.0.0.1"
_DEFAULT_PORT: Final = 6379
_MAX_DATABASE: Final = 2**31 - 1

_HOST_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?")
_DATABASE = re.compile("[0-9]{1,10}")
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")

_ESCAPED: Final = "the characters / ? # @ % : of user and password escaped, e.g. # as %23"

_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_OPTIONS: Final = (*_TLS_FILES, "ssl_cert_reqs", "ssl_check_hostname")
_CERTIFICATE_CHECKS: Final = ("none", "optional", "required")
_BOOLEANS: Final = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class StoreUrl:
    """The address of the job store, and how to connect to it.

    Args:
        socket: path of its socket, instead of host and port.
        tls: redis-py's options for TLS, all explicit; None: no TLS.
    """

    host: str = _DEFAULT_HOST
    port: int = _DEFAULT_PORT
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    socket: str | None = None
    tls: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a URL.

        Raises:
            ValueError: it is malformed, or has an option that is unknown or contradicts another part.
        """
        parts = _split(text)
        if parts.scheme not in _SCHEMES:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        options = _options(parts.query)
        is_socket = parts.scheme == "unix"
        path = _decoded("path", parts.path) or ""
        if is_socket and (parts.netloc.rpartition("@")[2] or not path.startswith("/") or path.endswith("/")):
            raise ValueError("must have the absolute path of the socket and no host, e.g. unix:///run/valkey.sock")
        tls: dict[str, str] = {name: options.pop(name) for name in _TLS_OPTIONS if name in options}
        if tls and parts.scheme != "rediss":
            raise ValueError(f"{min(tls)} requires rediss://")
        database = _database("" if is_socket else path, options.pop("db", None))
        if options:
            known = ", ".join(("db", *_TLS_OPTIONS))
            raise ValueError(f"has the unknown option {min(options)}, known are {known}")
        return cls(
            host=_host(parts),
            port=_port(parts),
            db=database,
            username=_decoded("user", parts.username),
            password=_decoded("password", parts.password),
            socket=path if is_socket else None,
            tls=_tls(tls) if parts.scheme == "rediss" else None,
        )

    def __str__(self) -> str:
        """The URL without its password."""
        user = f"{quote(self.username, safe='')}@" if self.username else ""
        if self.socket is not None:
            return f"unix://{user}{quote(self.socket)}?db={self.db}"
        address = f"{user}{self._address}/{self.db}"
        return f"redis://{address}" if self.tls is None else f"rediss://{address}?{_query(self.tls)}"

    @property
    def celery_url(self) -> str:
        """The same server as a broker URL of Celery, with the password. TLS options are passed to it separately."""
        user = quote(self.username or "", safe="")
        credentials = f"{user}:{quote(self.password or '', safe='')}@" if self.username or self.password else ""
        if self.socket is not None:
            return f"redis+socket://{credentials}{quote(self.socket)}?virtual_host={self.db}"
        return f"{'redis' if self.tls is None else 'rediss'}://{credentials}{self._address}/{self.db}"

    @property
    def client_options(self) -> dict[str, Any]:
        """Arguments of redis-py's connection classes."""
        options = {"db": self.db, "username": self.username, "password": self.password}
        if self.socket is not None:
            return options | {"path": self.socket}
        return options | {"host": self.host, "port": self.port} | dict(self.tls or {})

    @property
    def _address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _split(text: str) -> SplitResult:
    if any(character.isspace() or not character.isprintable() for character in text):
        raise ValueError("must not contain spaces or control characters")
    if _BAD_ESCAPE.search(text):
        raise ValueError("has a % that begins no escape: write it as %25")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("must be a URL, e.g. redis://127.0.0.1:6379/0") from None
    if text.endswith("?"):
        raise ValueError("has a question mark without options")
    if "#" in text or "@" in parts.path + parts.query:
        raise ValueError(f"must have {_ESCAPED}")
    return parts


def _decoded(part: str, text: str | None) -> str | None:
    try:
        return unquote(text, errors="strict") or None if text else None
    except UnicodeDecodeError:
        raise ValueError(f"has a {part} that is not UTF-8") from None


def _host(parts: SplitResult) -> str:
    host = _decoded("host", parts.hostname)
    if host is None:
        return _DEFAULT_HOST
    if ":" in host or "[" in parts.netloc.rpartition("@")[2]:
        try:
            return str(ipaddress.IPv6Address(host))
        except ValueError:
            raise ValueError("must have a host name or an IP address, e.g. redis://127.0.0.1:6379/0") from None
    if not _HOST_NAME.fullmatch(host):
        raise ValueError("must have one host name or IP address, e.g. redis://127.0.0.1:6379/0")
    return host


def _port(parts: SplitResult) -> int:
    try:
        port = _DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        port = 0
    if not port:
        raise ValueError(f"must have a port from 1 to 65535 after the host, and {_ESCAPED}")
    return port


def _database(path: str, option: str | None) -> int:
    given = [path[1:]] * (len(path) > 1) + [option] * (option is not None)
    if not all(text and _DATABASE.fullmatch(text) and int(text) <= _MAX_DATABASE for text in given):
        raise ValueError(f"must have a database from 0 to {_MAX_DATABASE} after the host and one slash, e.g. /0")
    databases = {int(text) for text in given if text}
    if len(databases) > 1:
        raise ValueError("has two databases, one in its path and another in its option db")
    return databases.pop() if databases else 0


def _options(query: str) -> dict[str, str]:
    if not query:
        return {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict")
    except ValueError:
        raise ValueError("must have options of the form name=value after the question mark") from None
    options = dict(pairs)
    if len(options) < len(pairs):
        raise ValueError("has an option twice")
    return options


def _tls(options: Mapping[str, str]) -> dict[str, Any]:
    """redis-py's options, checked by loading the certificates."""
    check = options.get("ssl_cert_reqs", "required").removeprefix("CERT_").lower()
    if check not in _CERTIFICATE_CHECKS:
        raise ValueError(f"must have ssl_cert_reqs {', '.join(_CERTIFICATE_CHECKS)}")
    hostname = _BOOLEANS.get(options.get("ssl_check_hostname", "true" if check == "required" else "false").lower())
    if hostname is None or (hostname and check == "none"):
        raise ValueError("must have ssl_check_hostname true or false, and false with ssl_cert_reqs=none")
    files = {name: options.get(name) for name in _TLS_FILES}
    if bool(files["ssl_certfile"]) < bool(files["ssl_keyfile"]):
        raise ValueError("must have ssl_certfile with ssl_keyfile")
    context = ssl.create_default_context()
    try:
        if files["ssl_ca_certs"]:
            context.load_verify_locations(files["ssl_ca_certs"])
        if files["ssl_certfile"]:
            context.load_cert_chain(files["ssl_certfile"], files["ssl_keyfile"])
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        given = " and ".join(f"{name} {path}" for name, path in files.items() if path)
        raise ValueError(f"has the files {given}, which can't be loaded: {reason}") from None
    return files | {"ssl_cert_reqs": check, "ssl_check_hostname": hostname}


def _query(tls: Mapping[str, Any]) -> str:
    given = {name: str(value) for name, value in tls.items() if value is not None}
    return urlencode({name: text if name in _TLS_FILES else text.lower() for name, text in given.items()})
