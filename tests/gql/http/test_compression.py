"""Text compressed on the way, as other programs unpack it."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from gql.http.compression import CODINGS, compressed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT = [b"prime\n", b"2\n3\n5\n7\n" * 30_000, b"", b"11\n" * 100_000]


async def pieces(number: int) -> AsyncIterator[bytes]:
    for piece in TEXT[:number]:
        yield piece


def unpacked(data: bytes, coding: str) -> bytes:
    if coding == "gzip":
        return gzip.decompress(data)
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        found: bytes = stream.read()
        return found


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("number", [1, 2, 4])
async def test_what_is_unpacked_is_what_was_sent(coding: str, number: int) -> None:
    data = b"".join([piece async for piece in compressed(pieces(number), coding)])
    assert unpacked(data, coding) == b"".join(TEXT[:number])


@pytest.mark.parametrize("coding", CODINGS)
async def test_text_becomes_shorter_and_its_beginning_does_not_wait_for_its_end(coding: str) -> None:
    async def forever() -> AsyncIterator[bytes]:
        while True:
            yield TEXT[1]

    first = await anext(compressed(forever(), coding))
    assert first
    data = b"".join([piece async for piece in compressed(pieces(4), coding)])
    assert len(data) < sum(map(len, TEXT)) / 10


async def test_zstd_is_one_frame() -> None:
    data = b"".join([piece async for piece in compressed(pieces(4), "zstd")])
    assert data.startswith(b"\x28\xb5\x2f\xfd")
    assert data.count(b"\x28\xb5\x2f\xfd") == 1
