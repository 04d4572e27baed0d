"""Streaming compression, decompressed by other implementations."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from gql.http.compression import SUPPORTED_ENCODINGS, compress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TEXT = [b"prime\n", b"2\n3\n5\n7\n" * 30_000, b"", b"11\n" * 100_000]


async def chunks(number: int) -> AsyncIterator[bytes]:
    for chunk in TEXT[:number]:
        yield chunk


async def compressed_text(number: int, encoding: str) -> bytes:
    return b"".join([chunk async for chunk in compress(chunks(number), encoding)])


def decompress(data: bytes, encoding: str) -> bytes:
    if encoding == "gzip":
        return gzip.decompress(data)
    with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
        found: bytes = stream.read()
        return found


@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
@pytest.mark.parametrize("number", [1, 2, 4])
async def test_decompressed_text_equals_the_original(encoding: str, number: int) -> None:
    assert decompress(await compressed_text(number, encoding), encoding) == b"".join(TEXT[:number])


@pytest.mark.parametrize("encoding", SUPPORTED_ENCODINGS)
async def test_text_is_compressed_while_it_is_produced(encoding: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield TEXT[1]

    assert await anext(compress(endless(), encoding))
    assert len(await compressed_text(4, encoding)) < sum(map(len, TEXT)) / 10


async def test_zstd_is_one_frame() -> None:
    data = await compressed_text(4, "zstd")
    assert data.startswith(b"\x28\xb5\x2f\xfd")
    assert data.count(b"\x28\xb5\x2f\xfd") == 1
