"""The target of a request, in the form that the application expects: a path, and a Host header with the host.

uvicorn prepends ROOT_PATH to every path, which is right if the proxy has removed it. A proxy may also leave it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterable

# First segments of the API's own paths. A prefix that starts with one can't be distinguished from a path.
OWN_SEGMENTS: Final = frozenset(
    {"docs", "explorer", "generate", "graphql", "jobs", "links", "livez", "openapi.json", "readyz", "static", "status"}
)


def is_absolute(target: bytes) -> bool:
    """Whether the target is a URL, as clients send it to a proxy. uvicorn uses its path, and ignores its host."""
    return not target.startswith(b"/") and b"://" in target


def origin_form(target: bytes, headers: Iterable[tuple[bytes, bytes]]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The path and query of a URL, and the headers with its host in place of Host (RFC 9112, section 3.2.2)."""
    url = httptools.parse_url(target)
    host = b"[%b]" % url.host if b":" in url.host else url.host
    authority = host if url.port is None else b"%b:%d" % (host, url.port)
    query = b"" if url.query is None else b"?" + url.query
    others = [header for header in headers if header[0] != b"host"]
    return (url.path or b"/") + query, [(b"host", authority), *others]


def removable_prefix(root_path: str) -> bytes:
    """The prefix to remove from targets that have it; empty if none can have it."""
    first_segment = root_path.removeprefix("/").partition("/")[0]
    return b"" if first_segment in OWN_SEGMENTS else root_path.rstrip("/").encode()


def without_prefix(target: bytes, prefix: bytes) -> bytes:
    """The target without the prefix, unless the proxy has removed it."""
    rest = target[len(prefix) :]
    if not target.startswith(prefix) or rest[:1] not in {b"/", b"?", b""}:
        return target
    return rest if rest.startswith(b"/") else b"/" + rest
