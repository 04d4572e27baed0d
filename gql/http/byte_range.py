"""Range requests (RFC 9110, section 14)."""

from __future__ import annotations

import re

_SINGLE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)
# No file has a size of more digits. Bounds the work of int().
_MAX_DIGITS = 18


class RangeNotSatisfiableError(Exception):
    """The requested range starts beyond the end of the file."""


def requested_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes of a file that a Range header requests, as (start, stop).

    None means the whole file: the header is missing, malformed, or has several ranges, which a server may ignore.

    Args:
        header: the value of Range.
        size: bytes of the file.

    Raises:
        RangeNotSatisfiableError: the file has none of the requested bytes.
    """
    found = _SINGLE_RANGE.fullmatch(header.strip()) if header else None
    if found is None or not any(found.groups()) or max(map(len, found.groups())) > _MAX_DIGITS:
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(size - int(last), 0), size
    else:
        if last and int(last) < int(first):
            return None
        start, stop = int(first), min(int(last) + 1, size) if last else size
    if start >= stop:
        raise RangeNotSatisfiableError
    return start, stop
