"""Range requests (RFC 9110, section 14)."""

from __future__ import annotations

import re

from gql.http.fields import members

_SINGLE_RANGE = re.compile(r"(\d*)-(\d*)", re.ASCII)
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
    unit, _, value = (header or "").partition("=")
    ranges = members(value)
    found = _SINGLE_RANGE.fullmatch(ranges[0]) if unit.strip().lower() == "bytes" and len(ranges) == 1 else None
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        start, stop = max(size - _position(last), 0), size
    else:
        start, stop = _position(first), min(_position(last) + 1, size) if last else size
        if last and _position(last) < start:
            return None
    if start >= stop:
        raise RangeNotSatisfiableError
    return start, stop


def _position(digits: str) -> int:
    significant = digits.lstrip("0") or "0"
    return int(significant) if len(significant) <= _MAX_DIGITS else 10**_MAX_DIGITS
