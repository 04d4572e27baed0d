"""Standard output, which may be a pipe or unbuffered."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from gql.client.streams import standard_output

if TYPE_CHECKING:
    import pytest
    from _typeshed import ReadableBuffer


def test_unbuffered_standard_output_is_written_completely(monkeypatch: pytest.MonkeyPatch) -> None:
    """With PYTHONUNBUFFERED, its file is raw, which may write less than it is given."""

    class Raw(io.RawIOBase):
        written = b""

        def writable(self) -> bool:
            return True

        def write(self, data: ReadableBuffer, /) -> int:
            Raw.written += bytes(data)[:2]
            return min(len(bytes(data)), 2)

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(Raw(), write_through=True))  # type: ignore[type-var]
    with standard_output() as file:
        file.write(b"2\n3\n5\n")
    assert Raw.written == b"2\n3\n5\n"
