"""Encoding primes to bytes and decoding them."""

from __future__ import annotations

import hashlib
import struct
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.results import delta_codec
from tests.tasks.engine.sieve import primes_below

BELOW_ONE_MILLION = primes_below(1_000_000)
# The first gap of 256 or more, OEIS A002386 and A005250: 282 after 436273009.
WIDE_GAP = np.array([436_272_991, 436_273_009, 436_273_291], dtype=np.uint64)
NO_PRIMES = np.empty(0, dtype=np.uint64)


@st.composite
def ascending(draw: st.DrawFn) -> npt.NDArray[np.uint64]:
    """Any array the format can hold: empty or not, narrow and wide gaps."""
    first = draw(st.lists(st.integers(0, 2**53), max_size=1))
    gaps = draw(st.lists(st.integers(1, draw(st.sampled_from([255, 65_535]))), max_size=50 if first else 0))
    return np.cumsum(np.array(first + gaps, dtype=np.uint64), dtype=np.uint64)


@settings(deadline=None)  # a slow machine is not a failure
@given(ascending())
def test_decode_returns_the_encoded_primes(primes: npt.NDArray[np.uint64]) -> None:
    decoded = delta_codec.decode(delta_codec.encode(primes))

    assert decoded.dtype == np.uint64
    np.testing.assert_array_equal(decoded, primes)


@settings(deadline=None)  # a slow machine is not a failure
@given(ascending(), st.integers(0, 60), st.integers(0, 60))
def test_decode_slice_equals_a_slice_of_the_whole(primes: npt.NDArray[np.uint64], offset: int, count: int) -> None:
    part = delta_codec.decode_slice(delta_codec.encode(primes), offset, count)

    assert part.dtype == np.uint64
    np.testing.assert_array_equal(part, primes[offset : offset + count])


@pytest.mark.parametrize("size", [1, 100, 10_000])
def test_consecutive_slices_joined_equal_the_whole(size: int) -> None:
    primes = BELOW_ONE_MILLION[:20_500] if size > 1 else BELOW_ONE_MILLION[:300]
    encoded = delta_codec.encode(primes)

    pages = [delta_codec.decode_slice(encoded, offset, size) for offset in range(0, primes.size, size)]

    np.testing.assert_array_equal(np.concatenate(pages), primes)


def test_the_encoding_is_as_documented() -> None:
    """Stored results outlive a release of the program, so the format must not change."""
    narrow = np.array([7, 11, 13, 17], dtype=np.uint64)
    assert delta_codec.encode(narrow).hex(" ") == "01 01 04 00 00 00 00 00 00 00 07 00 00 00 00 00 00 00 04 02 04"
    assert delta_codec.encode(WIDE_GAP)[:2] == b"\x01\x02"
    assert delta_codec.encode(WIDE_GAP)[18:].hex(" ") == "12 00 1a 01"
    assert delta_codec.encode(NO_PRIMES) == b"\x01\x01" + bytes(16)


def test_primes_with_narrow_gaps_take_one_byte_each() -> None:
    assert len(delta_codec.encode(BELOW_ONE_MILLION)) == BELOW_ONE_MILLION.size + 17


@pytest.mark.parametrize(("gap", "width"), [(255, 1), (256, 2), (65_535, 2)])
def test_the_widest_gap_determines_the_gap_width(gap: int, width: int) -> None:
    primes = np.array([2, 3, 3 + gap], dtype=np.uint64)

    assert delta_codec.encode(primes)[1] == width
    np.testing.assert_array_equal(delta_codec.decode(delta_codec.encode(primes)), primes)


@pytest.mark.parametrize("numbers", [[2, 65_538], [3, 2]])
def test_descending_numbers_and_too_wide_gaps_are_rejected(numbers: list[int]) -> None:
    with pytest.raises(ValueError, match=r"a gap is \d+, must be 0 to 65535 in ascending primes"):
        delta_codec.encode(np.array(numbers, dtype=np.uint64))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "truncated: 0 bytes, the header alone has 18"),
        (delta_codec.encode(WIDE_GAP)[:17], "truncated: 17 bytes, the header alone has 18"),
        (delta_codec.encode(WIDE_GAP)[:-1], "truncated: 21 bytes, must be 22 for 3 primes"),
        (delta_codec.encode(WIDE_GAP) + b"\0", "too long: 23 bytes, must be 22 for 3 primes"),
        (b"\x02" + delta_codec.encode(WIDE_GAP)[1:], "version 2, must be 1"),
        (b"\x01\x03" + delta_codec.encode(WIDE_GAP)[2:], "gaps of 3 bytes, must be 1 or 2"),
        (struct.pack("<BBQQ", 1, 2, 2**64 - 1, 2), "truncated: 18 bytes, must be"),
    ],
)
def test_malformed_data_is_rejected_with_the_reason(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        delta_codec.decode(data)
    with pytest.raises(ValueError, match=message):
        delta_codec.decode_slice(data, 0, 1)


@pytest.mark.parametrize(("offset", "count"), [(-1, 1), (0, -1)])
def test_negative_offset_and_count_are_rejected(offset: int, count: int) -> None:
    with pytest.raises(ValueError, match=f"offset is {offset} and count {count}, must be at least 0"):
        delta_codec.decode_slice(delta_codec.encode(WIDE_GAP), offset, count)


def test_checksum_is_the_sha256_of_little_endian_64_bit_integers() -> None:
    plain = b"".join(int(prime).to_bytes(8, "little") for prime in BELOW_ONE_MILLION)

    assert delta_codec.sha256(BELOW_ONE_MILLION) == hashlib.sha256(plain).hexdigest()
    assert delta_codec.sha256(BELOW_ONE_MILLION.astype(">u8")) == hashlib.sha256(plain).hexdigest()
    assert delta_codec.sha256(np.repeat(BELOW_ONE_MILLION, 2)[::2]) == hashlib.sha256(plain).hexdigest()
    assert delta_codec.sha256(NO_PRIMES) == hashlib.sha256(b"").hexdigest()


def test_delta_codec_does_not_import_the_engine() -> None:
    """The API process reads results and never generates."""
    program = "import sys, tasks.results.delta_codec; print(any(n.startswith('tasks.engine') for n in sys.modules))"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)

    assert printed.stdout == "False\n"
