"""Streaming compression of responses, with the encodings that clients may choose in Accept-Encoding."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Protocol

import zstandard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# In order of preference. Both shrink the text of primes to a third or a quarter, zstd in less time.
SUPPORTED_ENCODINGS = ("zstd", "gzip")

# The fastest levels. Gzip's next ones save a tenth and take five times as long.
_ZSTD_LEVEL = 1
_GZIP_LEVEL = 1

# Makes zlib write gzip's header and trailer.
_GZIP_WINDOW = zlib.MAX_WBITS | 16


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...

    def flush(self) -> bytes: ...


async def compress(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """Compress a stream with one of SUPPORTED_ENCODINGS. Output starts before the input ends."""
    compressor = _compressor(encoding)
    async for chunk in chunks:
        if data := await asyncio.to_thread(compressor.compress, chunk):
            yield data
    yield await asyncio.to_thread(compressor.flush)


def _compressor(encoding: str) -> _Compressor:
    if encoding == "zstd":
        # One frame: some clients stop reading after the first.
        return zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
    return zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP_WINDOW)
