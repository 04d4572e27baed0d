"""Pagination: from Relay's arguments to a slice, and cursors.

A cursor is opaque to clients. It has the kind of element and its position, in URL-safe base64.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

import strawberry

from schema.error_codes import RequestRefusedError
from schema.limits.settings import DEFAULT_PAGE_SIZE

# Characters of an invalid cursor that its error message repeats.
_MAX_QUOTED_LENGTH = 40

# The arguments of every connection, with their descriptions.
First = Annotated[
    int | None, strawberry.argument(description="Page size, counted from the start. At most limits.maxPageSize.")
]
After = Annotated[str | None, strawberry.argument(description="Only elements after this cursor.")]
Last = Annotated[
    int | None, strawberry.argument(description="Page size, counted from the end. At most limits.maxPageSize.")
]
Before = Annotated[str | None, strawberry.argument(description="Only elements before this cursor.")]
Offset = Annotated[
    int | None,
    strawberry.argument(description="Zero-based index of the first element. Can be combined with first only."),
]


@strawberry.type(description="Position of a page, as defined by Relay.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there are elements after this page.")
    has_previous_page: bool = strawberry.field(description="Whether there are elements before this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first element. Null if the page is empty.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last element. Null if the page is empty.")


@dataclass(frozen=True, slots=True)
class PageArguments:
    """Relay's four arguments and an offset, unchecked."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    offset: int | None = None

    def size(self, max_page_size: int) -> int:
        """The maximum number of elements in the page.

        Raises:
            RequestRefusedError: the arguments contradict each other, or a size is out of bounds.
        """
        if self.first is not None and self.last is not None:
            raise RequestRefusedError("first and last cannot be combined: use one of them")
        for name, value in (("first", self.first), ("last", self.last)):
            if value is not None and not 0 <= value <= max_page_size:
                raise RequestRefusedError(f"{name} is {value}, must be 0 to {max_page_size}")
        size = self.first if self.first is not None else self.last
        return min(DEFAULT_PAGE_SIZE, max_page_size) if size is None else size

    def slice(self, kind: str, available: int, max_page_size: int) -> range:
        """The zero-based positions of the page among `available` elements.

        Raises:
            RequestRefusedError: arguments contradict each other or are out of bounds, or a cursor is of another kind.
        """
        size = self.size(max_page_size)
        start, stop = 0, available
        if self.offset is not None:
            if self.after is not None or self.before is not None or self.last is not None:
                raise RequestRefusedError("offset can be combined with first only: omit after, before and last")
            if self.offset < 0:
                raise RequestRefusedError(f"offset is {self.offset}, must be 0 or more")
            start = self.offset
        if self.after is not None:
            start = _position(kind, "after", self.after) + 1
        if self.before is not None:
            stop = min(stop, _position(kind, "before", self.before))
        start = min(start, available)
        stop = max(start, stop)
        if self.last is not None:
            return range(max(start, stop - size), stop)
        return range(start, min(stop, start + size))


def encode_cursor(kind: str, position: object) -> str:
    """The cursor of an element at a position."""
    return base64.urlsafe_b64encode(f"{kind}:{position}".encode()).decode().rstrip("=")


def decode_cursor(kind: str, argument: str, cursor: str) -> str:
    """The position in a cursor.

    Raises:
        RequestRefusedError: it is not a cursor, or one of another connection.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found_kind, _, position = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        found_kind, position = "", ""
    if found_kind != kind or encode_cursor(kind, position) != cursor:
        raise invalid_cursor(argument, cursor)
    return position


def invalid_cursor(argument: str, cursor: str) -> RequestRefusedError:
    """The error for a text that is not a cursor of this connection."""
    quoted = cursor if len(cursor) <= _MAX_QUOTED_LENGTH else f"{cursor[:_MAX_QUOTED_LENGTH]}..."
    return RequestRefusedError(f"{argument} is {quoted!r}, must be a cursor from this connection")


def _position(kind: str, argument: str, cursor: str) -> int:
    position = decode_cursor(kind, argument, cursor)
    if not position.isascii() or not position.isdecimal() or len(position) > len(str(2**31)):
        raise invalid_cursor(argument, cursor)
    return int(position)
