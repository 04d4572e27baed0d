"""What a client wants of a file: which part of it, and in which coding (RFC 9110, sections 14 and 12.5.3)."""

from __future__ import annotations

import re

from gql.http.compression import SUPPORTED_ENCODINGS

_BYTES = re.compile(r"bytes=(\d*)-(\d*)", re.IGNORECASE)
# Digits: past these no file goes.
_LONGEST_NUMBER = 18

_ACCEPTED = re.compile(r"\s*([\w*-]+)\s*(?:;\s*q=([\d.]+)\s*)?", re.ASCII)


class RangeNotSatisfiableError(Exception):
    """The part that is wanted lies beyond the end."""


def wanted_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The part of a file of `size` bytes that a Range header asks for, as (start, stop).

    None where the whole is to be sent: there is no header, or not one part in bytes. Several parts at once are not
    served, as a server may choose.

    Raises:
        RangeNotSatisfiableError: nothing of the part exists.
    """
    found = _BYTES.fullmatch(header.strip()) if header else None
    if found is None or not any(found.groups()) or max(map(len, found.groups())) > _LONGEST_NUMBER:
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


def wanted_coding(header: str | None) -> str | None:
    """The coding that suits an Accept-Encoding header best; None for the bytes as they are."""
    weights: dict[str, float] = {}
    for part in (header or "").lower().split(","):
        if found := _ACCEPTED.fullmatch(part):
            try:
                weights[found[1]] = 1.0 if found[2] is None else float(found[2])
            except ValueError:
                continue
    best = max(SUPPORTED_ENCODINGS, key=lambda coding: weights.get(coding, weights.get("*", 0)))
    weight = weights.get(best, weights.get("*", 0))
    return best if weight > 0 and weight >= weights.get("identity", 0) else None
