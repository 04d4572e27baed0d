"""Paging: from Relay's arguments to a slice, and opaque cursors.

A cursor is opaque outside and simple inside: what it counts and where it stands, in URL-safe base64.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Annotated

import strawberry

from schema.errors.codes import RequestRefusedError

# A page whose size nobody named.
DEFAULT_PAGE_SIZE = 100

_SHOWN_CHARACTERS = 40

# The arguments of every connection, each with its sentence.
First = Annotated[
    int | None, strawberry.argument(description="Size of the page, from the start; at most limits.maxPageSize.")
]
After = Annotated[str | None, strawberry.argument(description="Only elements after this cursor.")]
Last = Annotated[
    int | None, strawberry.argument(description="Size of the page, from the end; at most limits.maxPageSize.")
]
Before = Annotated[str | None, strawberry.argument(description="Only elements before this cursor.")]
Offset = Annotated[
    int | None, strawberry.argument(description="Zero-based index to begin at; goes with first, not with a cursor.")
]


@strawberry.type(description="Where a page stands among all pages, as Relay defines it.")
class PageInfo:
    """Where a page stands among all pages."""

    has_next_page: bool = strawberry.field(description="Whether there is an element after the last one of this page.")
    has_previous_page: bool = strawberry.field(
        description="Whether there is an element before the first one of this page."
    )
    start_cursor: str | None = strawberry.field(description="Cursor of the first element; null when the page is empty.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last element; null when the page is empty.")


@dataclass(frozen=True, slots=True)
class PageArguments:
    """Relay's four arguments and an offset, as a caller gave them."""

    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None
    offset: int | None = None

    def size(self, max_page_size: int) -> int:
        """How many elements the page has at most.

        Raises:
            RequestRefusedError: the arguments contradict each other, or a size is out of bounds.
        """
        if self.first is not None and self.last is not None:
            raise RequestRefusedError("first and last exclude each other: give one of them")
        for name, value in (("first", self.first), ("last", self.last)):
            if value is not None and not 0 <= value <= max_page_size:
                raise RequestRefusedError(f"{name} is {value}, must be 0 to {max_page_size}")
        given = self.first if self.first is not None else self.last
        return min(DEFAULT_PAGE_SIZE, max_page_size) if given is None else given

    def slice(self, kind: str, available: int, max_page_size: int) -> range:
        """The zero-based positions that the page has among `available` elements.

        Raises:
            RequestRefusedError: arguments contradict each other or are out of bounds, or a cursor is of another kind.
        """
        size = self.size(max_page_size)
        start, stop = 0, available
        if self.offset is not None:
            if self.after is not None or self.before is not None or self.last is not None:
                raise RequestRefusedError("offset goes with first only: leave out after, before and last")
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


def encode_cursor(kind: str, place: object) -> str:
    """The cursor of an element."""
    return base64.urlsafe_b64encode(f"{kind}:{place}".encode()).decode().rstrip("=")


def decode_cursor(kind: str, argument: str, cursor: str) -> str:
    """Where a cursor stands.

    Raises:
        RequestRefusedError: it is none, or one of another connection.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        found, _, place = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        found, place = "", ""
    if found != kind or encode_cursor(kind, place) != cursor:
        raise cursor_refused(argument, cursor)
    return place


def cursor_refused(argument: str, cursor: str) -> RequestRefusedError:
    """The refusal of a cursor that this connection never gave out."""
    shown = cursor if len(cursor) <= _SHOWN_CHARACTERS else f"{cursor[:_SHOWN_CHARACTERS]}..."
    return RequestRefusedError(f"{argument} is {shown!r}, must be a cursor from this connection")


def _position(kind: str, argument: str, cursor: str) -> int:
    place = decode_cursor(kind, argument, cursor)
    if not place.isascii() or not place.isdecimal() or len(place) > len(str(2**31)):
        raise cursor_refused(argument, cursor)
    return int(place)
