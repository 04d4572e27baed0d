"""Headers that ask for a part or a coding, in all the shapes that clients send."""

from __future__ import annotations

import pytest

from gql.http.byte_range import RangeNotSatisfiableError, wanted_coding, wanted_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", (0, 1000)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 20)),
        ("bytes=999-", (999, 1000)),
        ("bytes=10-5000", (10, 1000)),
        ("bytes=-1", (999, 1000)),
        ("bytes=-5000", (0, 1000)),
        (" Bytes=10-19 ", (10, 20)),
    ],
)
def test_one_part_is_served(header: str, part: tuple[int, int]) -> None:
    assert wanted_range(header, 1000) == part


@pytest.mark.parametrize(
    "header",
    [
        *(None, "", "bytes=", "bytes=-", "bytes=a-b", "bytes=0-1,5-6", "items=0-1", "bytes=9-5", "bytes 0-1"),
        *("bytes=+1-2", "bytes=0-" + "9" * 5000, "bytes=\N{SUPERSCRIPT TWO}-"),
    ],
)
def test_for_anything_else_the_whole_is_sent(header: str | None) -> None:
    assert wanted_range(header, 1000) is None


@pytest.mark.parametrize("header", ["bytes=1000-", "bytes=1000-2000", "bytes=-0", "bytes=999999999999999999-"])
def test_a_part_beyond_the_end_is_refused(header: str) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        wanted_range(header, 1000)


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        (None, None),
        ("", None),
        ("identity", None),
        ("br", None),
        ("gzip", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip;q=1.0, zstd;q=0.5", "gzip"),
        ("GZIP ; Q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=0, *", "zstd"),
        ("zstd;q=0, *;q=0.1", "gzip"),
        ("*;q=0", None),
        ("identity;q=1, gzip;q=0.5", None),
        ("gzip;q=0.5.5", None),
        ("gzip;q=x, zstd", "zstd"),
        (";;;,,,gzip", "gzip"),
    ],
)
def test_the_coding_is_the_best_of_those_that_both_know(header: str | None, coding: str | None) -> None:
    assert wanted_coding(header) == coding
