"""The target of a request, in the form that the application expects: a path, and a Host header with the host."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httptools

if TYPE_CHECKING:
    from collections.abc import Iterable


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
